// The instruction sets of x86 that the CPU backend is written for, as tags. All give the same bits (see mac.hpp for the
// one exception, subnormals); they differ in speed. `native` is the best one that the compiler's target flags allow.
#pragma once
#include <concepts>

#include "verbatim/backend/cpu/leaf_attention.hpp"
#include "verbatim/backend/cpu/packed_linear.hpp"

#if defined(__AVX2__) && defined(__FMA__)
#define VERBATIM_HAS_AVX2 1
#else
#define VERBATIM_HAS_AVX2 0
#endif
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define VERBATIM_HAS_AVX512 1
#else
#define VERBATIM_HAS_AVX512 0
#endif
#if defined(__AVX512VNNI__)
#define VERBATIM_HAS_AVX512VNNI 1
#else
#define VERBATIM_HAS_AVX512VNNI 0
#endif
#if VERBATIM_HAS_AVX512 && defined(__AVX512BF16__)
#define VERBATIM_HAS_AVX512BF16 1
#else
#define VERBATIM_HAS_AVX512BF16 0
#endif

namespace verbatim::cpu {

/// What the bits of a device's kernels are called: `kernels` and `revision`, a number that changes when bits change
/// (tests/conformance/contract.cpp notices when it was forgotten).
struct lanes_of_outputs {
  static constexpr char const* kernels = "cpu lanes";
  static constexpr int revision = 1;
  static constexpr bool flushes_bf16 = false;   ///< whether subnormal bf16 inputs and results of dot products count as zero
  static constexpr int chunk_tokens = 48;       ///< rows of prompts beside decoding: from here on more hardly make a row cheaper
  static constexpr bool vnni = false;           ///< whether products of eight bits are summed by AVX512-VNNI: the same bits
  using attention = leaf_attention;
  using linear = packed_linear;
};

struct scalar : lanes_of_outputs { static constexpr char const* name = "cpu::scalar"; };
struct avx2 : lanes_of_outputs {
  static constexpr char const* name = "cpu::avx2";
  static constexpr int chunk_tokens = 24;   ///< a row costs as much among 12 as among many; with fewer than this, prompts would wait long
};
/// `Vnni` follows the target's flags, too. It is a part of the type, so that units of one program that differ in it share no function of products.
template <bool Vnni> struct basic_avx512 : lanes_of_outputs {
  static constexpr char const* name = "cpu::avx512";
  static constexpr bool vnni = Vnni;
};
template <bool Vnni> struct basic_avx512bf16 : lanes_of_outputs {
  static constexpr char const* name = "cpu::avx512bf16";
  static constexpr bool flushes_bf16 = true, vnni = Vnni;
};
using avx512 = basic_avx512<VERBATIM_HAS_AVX512VNNI>;
using avx512bf16 = basic_avx512bf16<VERBATIM_HAS_AVX512VNNI>;

/// The simple backend that others are tested against (backend/reference/ops.hpp).
struct reference {
  static constexpr char const* name = "cpu::reference";
  static constexpr char const* kernels = "eigen";
  static constexpr int revision = 1;
  static constexpr bool flushes_bf16 = false;
  using attention = plain_attention;
  using linear = eigen_linear;
};

template <class Device>
concept instruction_set = std::same_as<Device, scalar> || std::same_as<Device, avx2> || std::same_as<Device, avx512> ||
                          std::same_as<Device, avx512bf16>;

/// Whether this translation unit's target flags include the instruction set.
template <class Isa> inline constexpr bool compiled_for = std::same_as<Isa, scalar>;
template <> inline constexpr bool compiled_for<avx2> = VERBATIM_HAS_AVX2;
template <> inline constexpr bool compiled_for<avx512> = VERBATIM_HAS_AVX512;
template <> inline constexpr bool compiled_for<avx512bf16> = VERBATIM_HAS_AVX512BF16;

#if VERBATIM_HAS_AVX512BF16
using native = avx512bf16;
#elif VERBATIM_HAS_AVX512
using native = avx512;
#elif VERBATIM_HAS_AVX2
using native = avx2;
#else
using native = scalar;
#endif

}  // namespace verbatim::cpu
