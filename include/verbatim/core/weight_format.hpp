// How a model's matrices are kept in memory. int8 and int4 are storage, not arithmetic: what a quantised matrix stands for are values
// that bf16 holds exactly, and every product is of these values, so an engine with quantised weights gives the bits of one whose
// checkpoint held them. w4a8 rounds activations too, to multiply integers.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace verbatim {

/// checkpoint: every element in the type of the activations.
/// int8: blocks of 32 inputs share a power of two (MXINT8 of the OCP Microscaling specification 1.0, codes from -127): 8.5 bits.
/// int4: blocks of 32 inputs share a bf16 scale of four significant bits, codes from -8 to 7: 4.5 bits.
/// w4a8: the codes of int4, and what a matrix is multiplied with is rounded to eight bits in blocks of 32 inputs, whose sums of
/// products are integers (backend/cpu/int8_rows.hpp).
enum class weight_format : std::uint8_t { checkpoint, int8, int4, w4a8 };

constexpr std::string_view name_of(weight_format f) noexcept {
  switch (f) {
    case weight_format::int8: return "int8";
    case weight_format::int4: return "int4";
    case weight_format::w4a8: return "w4a8";
    case weight_format::checkpoint: break;
  }
  return "checkpoint";
}
/// The format of a name of these; false where there is none.
constexpr bool parse(std::string_view name, weight_format& to) noexcept {
  for (auto f : {weight_format::checkpoint, weight_format::int8, weight_format::int4, weight_format::w4a8})
    if (name == name_of(f)) return to = f, true;
  return false;
}

/// Of the codes and scales that a matrix becomes (backend/cpu/quantised.hpp), and activations in w4a8; it changes with any of their bits.
inline constexpr int quantiser_revision = 2;

/// Bits of one weight, its share of a scale included; `plain` where the format is the checkpoint's.
constexpr double bits_of(weight_format f, double plain) noexcept {
  return f == weight_format::checkpoint ? plain : f == weight_format::int8 ? 8.5 : 4.5;
}

}  // namespace verbatim
