// The instruction sets of x86 that the CPU backend is written for, as tags. All give the same bits (see mac.hpp for the
// one exception, subnormals); they differ in speed. `native` is the best one that the compiler's target flags allow.
#pragma once
#include <concepts>

#include "verbatim/backend/cpu/leaf_attention.hpp"

namespace verbatim::cpu {

struct scalar { using attention = leaf_attention; static constexpr char const* name = "cpu::scalar"; };
struct avx2 { using attention = leaf_attention; static constexpr char const* name = "cpu::avx2"; };
struct avx512 { using attention = leaf_attention; static constexpr char const* name = "cpu::avx512"; };
struct avx512bf16 { using attention = leaf_attention; static constexpr char const* name = "cpu::avx512bf16"; };

/// The simple backend that others are tested against (backend/reference/ops.hpp).
struct reference { using attention = plain_attention; static constexpr char const* name = "cpu::reference"; };

template <class Device>
concept instruction_set = std::same_as<Device, scalar> || std::same_as<Device, avx2> || std::same_as<Device, avx512> ||
                          std::same_as<Device, avx512bf16>;

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
#if VERBATIM_HAS_AVX512 && defined(__AVX512BF16__)
#define VERBATIM_HAS_AVX512BF16 1
#else
#define VERBATIM_HAS_AVX512BF16 0
#endif

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
