// Tensors that were brought into memory as a whole before any of them is used: the first half of replacing a running
// engine's weights. What can go wrong on the way (a cut connection, a truncated file, a malformed header) goes wrong here,
// while the old weights serve on. Also a weight_source.
// Invariants: tensors are owned, or borrowed from what the caller keeps alive; they do not move. Cost: the bytes, once.
#pragma once
#include <cstddef>
#include <concepts>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/weights/checkpoint.hpp"
#include "verbatim/weights/concept.hpp"
#include "verbatim/weights/safetensors.hpp"

namespace verbatim::weights {

class staged {
 public:
  /// Tensors of the caller's, who keeps them alive and unchanged.
  explicit staged(std::span<tensor const> borrowed) : tensors_(borrowed.begin(), borrowed.end()) {}

  /// The bytes of one safetensors file; `name` stands for it in messages. Throws error("checkpoint", 2 | 4 | 5 | 6).
  staged(std::string bytes, std::string name) { add(std::move(bytes), std::move(name)); }

  /// A folder with model.safetensors, or with model.safetensors.index.json and its shards, read into memory.
  /// Throws error("checkpoint", 1 | 2 | 4 | 5 | 6 | 8 | 9).
  explicit staged(std::filesystem::path const& directory);

  staged(staged&&) = default;

  /// Adds a tensor of one's own; what lies in a device's memory stays there, and the caller's.
  void copy(tensor const& t);

  std::span<tensor const> tensors() const noexcept { return tensors_; }
  std::size_t bytes() const noexcept {
    std::size_t sum = 0;
    for (tensor const& t : tensors_) sum += t.bytes();
    return sum;
  }
  std::uint64_t version() const noexcept { return 0; }
  void each(void (*visit)(tensor const&, void*), void* self) const {
    for (tensor const& t : tensors_) visit(t, self);
  }

 private:
  struct file {
    file(std::string b, std::string name)
        : bytes(std::move(b)), parsed({reinterpret_cast<std::byte const*>(bytes.data()), bytes.size()}, std::move(name)) {}
    std::string const bytes;
    safetensors parsed;
  };
  void add(std::string bytes, std::string name);

  std::vector<std::unique_ptr<file>> files_;
  std::deque<std::pair<std::string, std::unique_ptr<std::byte[]>>> copies_;
  std::vector<tensor> tensors_;   // names and data lie in the files, in the copies or with the caller
};
static_assert(weight_source<staged>);

/// What a source holds, in memory: borrowed where it lies there for good (`tensors()`), else copied.
template <weight_source Source> staged all_of(Source& source) {
  if constexpr (requires { { source.tensors() } -> std::convertible_to<std::span<tensor const>>; }) {
    return staged(std::span<tensor const>(source.tensors()));
  } else {
    staged out{std::span<tensor const>()};
    for_each(source, [&](tensor const& t) { out.copy(t); });
    return out;
  }
}

/// The whole of a file. Throws error("checkpoint", 1) where it cannot be read.
std::string read_whole(std::filesystem::path const& path);

}  // namespace verbatim::weights

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/weights/staged.ipp.hpp"
#endif
