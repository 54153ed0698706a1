// A named, borrowed, dense, row-major tensor: what weight sources hand out and what the packers read.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace verbatim {

/// Storage types of checkpoints that are read.
enum class dtype : std::uint8_t { f32, bf16, f16 };

constexpr std::size_t size_of(dtype t) noexcept { return t == dtype::f32 ? 4 : 2; }
constexpr std::string_view name_of(dtype t) noexcept {
  return t == dtype::f32 ? "F32" : t == dtype::bf16 ? "BF16" : "F16";
}

/// Up to four dimensions; a linear weight is [out_features, in_features].
struct extents {
  std::array<std::int64_t, 4> size{};
  int rank = 0;
  constexpr std::int64_t elements() const noexcept {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= size[std::size_t(i)];
    return n;
  }
  friend constexpr bool operator==(extents const&, extents const&) = default;
};

inline std::string to_string(extents const& e) {
  std::string out = "[";
  for (int i = 0; i < e.rank; ++i) out += (i ? ", " : "") + std::to_string(e.size[std::size_t(i)]);
  return out + "]";
}

/// Where a tensor's data lie: in the host's memory, or in that of the device that the model runs on.
enum class memory_space : std::uint8_t { host, device };

/// Borrowed: whoever made it keeps name and data alive.
struct tensor {
  std::string_view name;
  dtype type;
  extents shape;
  void const* data;
  memory_space where = memory_space::host;
  constexpr std::size_t bytes() const noexcept { return std::size_t(shape.elements()) * size_of(type); }
};

}  // namespace verbatim
