// Tensors that lie side by side in one piece of memory, as trainers send them: a table of names, types, shapes and offsets, and the
// piece. Every entry is checked against the piece; nothing is copied. Cost: none.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/tensor.hpp"

namespace verbatim::weights {

/// Where a tensor lies in a bucket. The name outlives the tensors.
struct bucket_entry {
  std::string_view name{};
  dtype type = dtype::bf16;
  extents shape{};
  std::uint64_t offset = 0;   ///< in bytes, to where a tensor of its type may lie
};

/// The tensors of a bucket of `bytes` at `data`. Throws error("checkpoint", 60) where an entry is not within it.
inline std::vector<tensor> tensors_of(std::span<bucket_entry const> entries, void const* data, std::uint64_t bytes, memory_space where) {
  std::vector<tensor> out;
  out.reserve(entries.size());
  for (bucket_entry const& e : entries) {
    auto const refuse = [&](char const* why) { throw error("checkpoint", 60, std::string(e.name.substr(0, 200)) + ": " + why); };
    if (e.shape.rank < 0 || e.shape.rank > 4) refuse("more than four dimensions");
    std::uint64_t elements = 1;
    for (int i = 0; i < e.shape.rank; ++i) {
      std::int64_t const n = e.shape.size[std::size_t(i)];
      if (n < 0 || (n > 0 && elements > bytes / std::uint64_t(n))) refuse("its shape is larger than the bucket");
      elements *= std::uint64_t(n);
    }
    std::uint64_t const size = size_of(e.type);
    if ((reinterpret_cast<std::uintptr_t>(data) + e.offset) % size) refuse("it does not lie at a multiple of its type's size");
    if (e.offset > bytes || elements > (bytes - e.offset) / size) refuse("it ends outside the bucket");
    out.push_back({e.name, e.type, e.shape, static_cast<std::byte const*>(data) + e.offset, where});
  }
  return out;
}

}  // namespace verbatim::weights
