// Blocked dot products against a plain chain of mac(), one output at a time, bit for bit: any number of rows, lengths of k that
// do and do not fill blocks, values that overflow and that are subnormal, by the instruction set's own bf16 product and by fma.
#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "catch.hpp"
#include "verbatim/backend/cpu/linear.hpp"

using namespace verbatim;
using namespace verbatim::cpu;

namespace {

/// Any finite value with an exponent near the ends or the middle, so that sums of products are subnormal, normal and infinite.
template <class T> T any_value(std::mt19937& random, int mood) {
  int const exponents[3] = {-70, 0, 62};
  float const x = std::ldexp(float(int(random() % 257) - 128), exponents[mood] - int(random() % 8));
  return mood == 0 && random() % 16 == 0 ? from_float<T>(std::bit_cast<float>(std::uint32_t(random() % 128) << 16)) : from_float<T>(x);
}

template <class Isa, class T> struct problem {
  using V = vector_of<Isa>;
  static constexpr int word = packed_matrix<T>::word;
  problem(int steps, int rows, int mood) : steps(steps), rows(rows), weights(std::size_t(steps) * panel_outputs), x(std::size_t(steps * word * rows)) {
    std::mt19937 random(std::uint32_t(steps * 100 + rows * 3 + mood));
    for (std::size_t i = 0; i < weights.size(); ++i) {
      T pair[2] = {any_value<T>(random, mood), any_value<T>(random, mood)};
      std::memcpy(weights.data() + i, pair, 4);
    }
    for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = any_value<T>(random, mood);
  }
  V chain(int row, int tile) const {
    V sum(0.0f);
    for (int s = 0; s < steps; ++s)
      sum = mac<Isa, T>(sum, V::load_words(weights.data() + s * panel_outputs + tile * tree_lanes), V::all_words(load_word(x.data() + (row * steps + s) * word)));
    return sum;
  }
  /// How many sums are other bits than the chain's.
  int wrong(float const* sums) const {
    int n = 0;
    for (int r = 0; r < rows; ++r)
      for (int t = 0; t < panel_tiles; ++t) {
        alignas(64) float expected[tree_lanes];
        chain(r, t).store(expected);
        for (int l = 0; l < tree_lanes; ++l) {
          float const got = sums[r * panel_outputs + t * tree_lanes + l];
          n += std::isnan(expected[l]) ? !std::isnan(got) : std::bit_cast<std::uint32_t>(got) != std::bit_cast<std::uint32_t>(expected[l]);
        }
      }
    return n;
  }
  int steps, rows;
  aligned_array<std::uint32_t> weights;
  aligned_array<T> x;
};

template <class Isa, class T> void check_blocks() {
  if constexpr (compiled_for<Isa>)
    for (int steps : {1, 7, 255, 256, 257, 700})
      for (int rows = 1; rows <= row_tile<Isa>::rows; rows += rows < 14 ? 1 : 9)
        for (int mood = 0; mood < 3; ++mood) {
          problem<Isa, T> const p(steps, rows, mood);
          CAPTURE(Isa::name, steps, rows, mood);
          static row_tile<Isa> tile;
          tile.template multiply<T>(p.weights.data(), steps, rows_of<T>{const_cast<T*>(p.x.data()), rows, steps * p.word, std::size_t(steps * p.word)}, p.weights.data());
          CHECK(p.wrong(tile.value) == 0);
        }
}

template <class Isa, int Rows> void check_widened() {
  for (int mood = 0; mood < 3; ++mood)
    for (int steps : {1, 17, 256}) {
      problem<Isa, bf16> const p(steps, Rows, mood);
      alignas(64) float sums[Rows * panel_outputs] = {};
      auto const control = [] { return VERBATIM_HAS_AVX512BF16 ? __builtin_ia32_stmxcsr() : 0u; };
      unsigned const before = control();
      multiply_widened<Isa, Rows>(p.weights.data(), steps, p.x.data(), std::size_t(steps) * 2, sums, {});
      CHECK(control() == before);
      CHECK(p.wrong(sums) == 0);
    }
}

}  // namespace

TEST_CASE("cpu/linear: blocks are chains") {
  check_blocks<scalar, float>(), check_blocks<scalar, bf16>();
  check_blocks<avx2, float>(), check_blocks<avx2, bf16>();
  check_blocks<avx512, float>(), check_blocks<avx512, bf16>();
  check_blocks<avx512bf16, float>(), check_blocks<avx512bf16, bf16>();
}

TEST_CASE("cpu/linear: bf16 by fma has the bits of the instruction set's own product, whichever is used") {
  check_widened<scalar, 1>();
#if VERBATIM_HAS_AVX512BF16
  check_widened<avx512bf16, 1>(), check_widened<avx512bf16, 2>(), check_widened<avx512bf16, 3>();
  check_widened<avx512bf16, 4>(), check_widened<avx512bf16, 5>(), check_widened<avx512bf16, 6>();
#else
  skip("vdpbf16ps is not in this build's target");
#endif
}
