// The safetensors format, read from bytes that are hostile until checked: 8 bytes of little-endian header length, a JSON
// header {"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {...}}, then the data.
// Accepted: entries of exactly these three fields; offsets in bounds, equal to shape x dtype, without overlap, gap
// or trailing bytes, every key once. Dtypes other than F32, BF16 and F16 are listed and refused on access.
// Cost: opening is linear in the header; no data is touched, except that tensors which are not aligned to their element
// size (legal, rare) are copied to aligned memory once, here.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/text/json.hpp"

namespace verbatim::weights {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

/// One tensor as its file lists it.
struct stored_tensor {
  std::string name, type;             ///< type: the format's name, "BF16", "I64", …
  std::vector<std::int64_t> shape;
  std::uint64_t begin, end;           ///< bytes from the start of the file
};

struct safetensors_limits {
  std::size_t header = 100'000'000;   ///< bytes; the reference reader's bound
  json_limits json{.depth = 4, .values = 4'000'000};
};

namespace detail {

/// A name from a file, shortened and without control characters, for messages.
std::string shown(std::string_view name);
std::string shown(std::vector<std::int64_t> const& shape);

}  // namespace detail

/// The tensors of one file, over bytes that the caller keeps alive (see mapped_file). Thread-safe to read.
class safetensors {
 public:
  /// `file` names the bytes in messages. Throws error("checkpoint", 2 | 4 | 5).
  safetensors(std::span<std::byte const> bytes, std::string file, safetensors_limits const& limits = {});

  /// All tensors, by ascending offset.
  std::span<stored_tensor const> list() const noexcept { return tensors_; }
  std::span<std::pair<std::string, std::string> const> metadata() const noexcept { return metadata_; }
  std::string const& file() const noexcept { return file_; }

  /// The tensor's listing, or null.
  stored_tensor const* find(std::string_view name) const noexcept;
  /// Whether access() gives it: F32, BF16 or F16 of at most four dimensions.
  static bool readable(stored_tensor const& t) noexcept;

  /// The tensor itself, aligned to its element size; valid as long as this object and the bytes are.
  /// Throws error("checkpoint", 7) where there is none, 6 where its dtype or rank is not read.
  tensor access(std::string_view name) const;
  /// The same for an element of list().
  tensor access(stored_tensor const& t) const;

 private:
  static int type_of(std::string_view type) noexcept;
  void align(std::size_t i);

  std::span<std::byte const> bytes_;
  std::string file_;
  std::vector<stored_tensor> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::unordered_map<std::string_view, std::size_t> places_;          // views into tensors_, which never moves its elements
  std::unordered_map<std::size_t, std::unique_ptr<std::byte[]>> copies_;
};

}  // namespace verbatim::weights

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/weights/safetensors.ipp.hpp"
#endif
