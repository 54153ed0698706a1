// How keys and values are kept in the cache. A format is storage, not arithmetic: what it stands for are values that the type of
// the activations holds exactly, and attention computes with these in the same order.
#pragma once
#include <cstdint>
#include <string_view>

#include "verbatim/core/weight_format.hpp"

namespace verbatim {

/// activations: in the type of the activations (bf16 or f32). bf16: rounded to it. int8: blocks of 32 elements of a key or value
/// share a power of two (MXINT8 of the OCP Microscaling specification 1.0, codes from -127): 8.25 bits.
enum class kv_format : std::uint8_t { activations, bf16, int8 };

constexpr std::string_view name_of(kv_format f) noexcept {
  return f == kv_format::int8 ? "int8" : f == kv_format::bf16 ? "bf16" : "activations";
}

/// Of the codes that keys and values become (backend/cpu/kv_codes.hpp); it changes with any of their bits.
inline constexpr int kv_quantiser_revision = 1;

inline constexpr int kv_block = 32;   ///< elements that share a power of two

/// Bits of an element of a head of `head_dim`, its share of a scale included; `plain`: of the activations.
constexpr double bits_of(kv_format f, int head_dim, double plain) noexcept {
  return f == kv_format::bf16 ? 16 : f == kv_format::int8 ? 8.0 + 8.0 * ((head_dim + kv_block - 1) / kv_block) / head_dim : plain;
}

/// How an engine keeps what it multiplies.
struct storage_formats {
  weight_format weights = weight_format::checkpoint;
  kv_format kv = kv_format::activations;
};

}  // namespace verbatim
