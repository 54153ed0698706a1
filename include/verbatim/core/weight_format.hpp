// How a model's matrices are kept in memory. A format is storage, not arithmetic: what a quantised matrix stands for are values
// that bf16 holds exactly, and every product is of these values, so an engine with quantised weights gives the bits of one whose
// checkpoint held them.
#pragma once
#include <cstdint>
#include <string_view>

namespace verbatim {

/// checkpoint: every element in the type of the activations.
/// int8: blocks of 32 inputs share a power of two (MXINT8 of the OCP Microscaling specification 1.0, codes from -127): 8.5 bits.
/// int4: blocks of 32 inputs share a bf16 scale of four significant bits, codes from -8 to 7: 4.5 bits.
enum class weight_format : std::uint8_t { checkpoint, int8, int4 };

constexpr std::string_view name_of(weight_format f) noexcept {
  return f == weight_format::int8 ? "int8" : f == weight_format::int4 ? "int4" : "checkpoint";
}

/// Of the codes and scales that a matrix becomes (backend/cpu/quantised.hpp); it changes with any of their bits.
inline constexpr int quantiser_revision = 2;

/// Bits of one weight, its share of a scale included; `plain` where the format is the checkpoint's.
constexpr double bits_of(weight_format f, double plain) noexcept {
  return f == weight_format::int8 ? 8.5 : f == weight_format::int4 ? 4.5 : plain;
}

}  // namespace verbatim
