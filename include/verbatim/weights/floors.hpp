// What a model must at least cost: bytes that a decode step reads and arithmetic that a token takes, from its configuration.
// A decode step reads every layer, the final norm and the LM head once, whatever the batch; of the embedding only a row
// per token. One multiply-add is two operations. Attention reads each cached key and value once.
// Source: the shapes of expected_tensors; the numbers of two models are pinned by a test.
#pragma once
#include <algorithm>
#include <cstdint>

#include "verbatim/core/kv_format.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/core/weight_format.hpp"
#include "verbatim/model/config.hpp"
#include "verbatim/weights/expected.hpp"

namespace verbatim::weights {

struct floors {
  std::int64_t parameters = 0;        ///< all that the checkpoint holds
  std::int64_t read = 0;              ///< parameters that one decode step reads: layers, norm, head
  std::int64_t body = 0, head = 0;    ///< parameters of the layers' matrices; of the LM head
  std::int64_t weight_bytes = 0;      ///< of all parameters
  std::int64_t step_bytes = 0;        ///< of `read`
  std::int64_t kv_bytes = 0;          ///< per token of context, all layers
  std::int64_t attention_flops = 0;   ///< per token and per visible key, all layers

  /// Operations for one new token that sees `context` keys.
  constexpr double decode_flops(std::int64_t context) const noexcept {
    return 2.0 * double(body + head) + double(attention_flops) * double(context);
  }
  /// Operations for a prompt of `tokens` from nothing; the head is counted once.
  constexpr double prefill_flops(std::int64_t tokens) const noexcept {
    return 2.0 * (double(body) * double(tokens) + double(head)) + double(attention_flops) * double(tokens) * double(tokens + 1) / 2;
  }
  /// Seconds of a decode step of `batch` sequences that see `context` keys each, at `bandwidth` bytes/s and `rate` FLOP/s
  /// (rate 0: arithmetic is free).
  constexpr double step_seconds(int batch, std::int64_t context, double bandwidth, double rate = 0) const noexcept {
    double const memory = (double(step_bytes) + double(kv_bytes) * double(context) * batch) / bandwidth;
    return rate > 0 ? std::max(memory, decode_flops(context) * batch / rate) : memory;
  }
};

/// `kv_width`: bytes of a cached element; `weight_width`: of a weight as the device holds it, 0: as in the checkpoint.
/// A layer with a window reads at most the window; this counts full attention.
inline floors floors_of(model_config const& c, int kv_width = 2, int weight_width = 0) {
  floors f;
  for (auto const& t : expected_tensors(c)) {
    std::int64_t const n = t.shape.elements();
    f.parameters += n;
    if (t.layer >= 0 || t.as == role::norm) f.read += n;
    if (t.as == role::matrix) f.body += n;
  }
  f.head = std::int64_t(c.vocabulary) * c.hidden;
  f.read += f.head;
  std::int64_t const width = weight_width > 0 ? weight_width : std::int64_t(size_of(c.type));
  f.weight_bytes = f.parameters * width;
  f.step_bytes = f.read * width;
  f.kv_bytes = std::int64_t(2) * c.layers * c.kv_heads * c.head_dim * kv_width;
  f.attention_flops = std::int64_t(4) * c.layers * c.heads * c.head_dim;
  return f;
}

/// Bytes of all parameters as an engine keeps them whose activations have `width` bytes: matrices, the embedding and the head in `format`,
/// norms and biases as activations. What kernels add to fill up is not counted.
inline std::int64_t kept_weight_bytes(model_config const& c, weight_format format, int width) {
  double bytes = 0;
  for (auto const& t : expected_tensors(c)) {
    bool const vector = t.as == role::norm || t.as == role::bias;
    bytes += double(t.shape.elements()) * (vector ? 8.0 * width : bits_of(format, 8.0 * width)) / 8;
  }
  return std::int64_t(bytes);
}

/// Bytes of the keys and values of one token, all layers; `width` is of an activation.
inline std::int64_t kept_kv_bytes(model_config const& c, kv_format format, int width) {
  return std::int64_t(2.0 * c.layers * c.kv_heads * c.head_dim * bits_of(format, c.head_dim, 8.0 * width) / 8);
}

}  // namespace verbatim::weights
