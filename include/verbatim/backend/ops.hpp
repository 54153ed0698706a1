// What every backend has in common: the limits that it is sized by, views into its workspace, and the primary template.
// `ops<Device, T>` is a set of operations on activations of type T (float or bf16); the model's `forward` is written over
// it. Specialisations: backend/cpu/ops.hpp, backend/cuda/ops.hpp and backend/reference/ops.hpp. All pointers in views are the backend's own and
// valid until the next step.
#pragma once
#include <cstddef>
#include <cstdint>

#include "verbatim/core/bf16.hpp"
#include "verbatim/core/kv_format.hpp"
#include "verbatim/core/weight_format.hpp"

namespace verbatim {

/// The largest step that will ever be asked for, and the KV memory; everything is allocated from these at construction.
struct ops_limits {
  int tokens = 0;    ///< rows in one step
  int slices = 0;    ///< sequences in one step
  int outputs = 0;   ///< rows of logits in one step
  int pages = 0;     ///< KV pages in all
  int page = 0;      ///< tokens per page
  int context = 0;   ///< tokens of a sequence at most; 0: as many as there are pages for
  int threads = 1;   ///< threads that compute, the caller's included
  bool pin_threads = false;   ///< each thread to a processor of its own
  weight_format weights = weight_format::checkpoint;   ///< how matrices are kept
  kv_format kv = kv_format::activations;               ///< how keys and values are kept
};

/// Rows of activations: row r starts at data + r * stride. Columns past `columns` up to the next multiple of 64 are ours.
template <class T> struct rows_of {
  T* data;
  int rows, columns;
  std::size_t stride;
  T* row(int r) const noexcept { return data + std::size_t(r) * stride; }
};

/// Queries, keys and values of a step: three column ranges of one buffer.
template <class T> struct heads_of {
  rows_of<T> q, k, v;
};

/// Logits of the rows that a step asked for, in order; f32, writable, valid until the next step.
struct logits_view {
  float* data;
  int rows;
  std::size_t stride;
  int vocabulary;
};

/// One checkpoint tensor within a packed one: q, k and v make one matrix.
struct part {
  int rows;
};

/// The operations of a device on activations of type T, with an attention and a linear part (the device's own where none is named).
/// Only specialisations exist.
template <class Device, class T, class Attention = typename Device::attention, class Linear = typename Device::linear> class ops;

}  // namespace verbatim
