// The linear part of a pipeline on the CPU: by which products packed weights are multiplied. All have the same bits; which is
// faster depends on the processor (multiply_dot.hpp).
#pragma once
#include "verbatim/numerics/contract.hpp"

namespace verbatim::cpu {

enum class product { fastest, fma, dot };

/// bf16 by the instruction set's dot product or by fma of widened operands. fastest: measured once, when the first backend is made.
/// Where an instruction set has no such product, and in f32, it is fma whatever is asked for.
template <product P> struct basic_packed_linear {
  struct policy {
    static constexpr product by = P;
  };
  static constexpr guarantee offers = guarantee::layout_invariant;
  static constexpr int revision = 1;
};
using packed_linear = basic_packed_linear<product::fastest>;
using fma_linear = basic_packed_linear<product::fma>;
using dot_linear = basic_packed_linear<product::dot>;

/// What the reference backend does itself.
struct eigen_linear {
  struct policy {};
  static constexpr guarantee offers = guarantee::run_to_run;
  static constexpr int revision = 1;
};

}  // namespace verbatim::cpu
