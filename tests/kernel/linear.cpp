// Blocked dot products against a plain chain of mac(), one output at a time, bit for bit: any number of rows, lengths of k that
// do and do not fill blocks, values that overflow and that are subnormal, by the instruction set's own bf16 product and by fma.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
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
  problem(int steps, int rows, int mood) : steps(steps), rows(rows), matrix(&panel_outputs, 1, steps * word), x(std::size_t(steps * word * rows)) {
    std::mt19937 random(std::uint32_t(steps * 100 + rows * 3 + mood));
    for (std::size_t i = 0; i < matrix.panel_words(); ++i) {
      T pair[2] = {any_value<T>(random, mood), any_value<T>(random, mood)};
      std::memcpy(weights() + i, pair, 4);
    }
    for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = any_value<T>(random, mood);
  }
  V chain(int row, int tile) const {
    V sum(0.0f);
    for (int s = 0; s < steps; ++s)
      sum = mac<Isa, T>(sum, V::load_words(weights() + s * panel_outputs + tile * tree_lanes), V::all_words(load_word(x.data() + (row * steps + s) * word)));
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
  std::uint32_t* weights() const { return matrix.panel(0); }
  int steps, rows;
  packed_matrix<T> matrix;
  aligned_array<T> x;
};

constexpr auto row_by_row = [](int rows, int, auto&& f) {
  for (int r = 0; r < rows; ++r) f(r);
};

template <class Isa, class T> void check_blocks() {
  if constexpr (compiled_for<Isa>)
    for (int steps : {1, 7, 255, 256, 257, 700})
      for (int rows = 1; rows <= row_tile<Isa>::rows; rows += rows < 14 ? 1 : 9)
        for (int mood = 0; mood < 3; ++mood) {
          problem<Isa, T> const p(steps, rows, mood);
          CAPTURE(Isa::name, steps, rows, mood);
          static row_tile<Isa> tile;
          operands<Isa, T> room(rows, steps * p.word, weight_format::checkpoint);
          rows_of<T> const x{const_cast<T*>(p.x.data()), rows, steps * p.word, std::size_t(steps * p.word)};
          tile.template multiply<T>(p.matrix, 0, room.of(x, p.matrix, row_by_row), p.weights());
          CHECK(p.wrong(tile.value) == 0);
        }
}

/// Both ways of a panel's bf16 products.
template <class Isa> void check_ways() {
  auto const control = [] { return VERBATIM_HAS_AVX512BF16 ? __builtin_ia32_stmxcsr() : 0u; };
  for (int mood = 0; mood < 3; ++mood)
    for (int steps : {1, 17, 64, 257, 700})
      for (int rows : {1, 2, 3, 4, 6, 7, 8, 13, 48}) {
        problem<Isa, bf16> const p(steps, rows, mood);
        CAPTURE(Isa::name, steps, rows, mood);
        static row_tile<Isa> tile;
        rows_of<bf16> const x{const_cast<bf16*>(p.x.data()), rows, steps * 2, std::size_t(steps * 2)};
        unsigned const before = control();
        std::fill(std::begin(tile.value), std::end(tile.value), 0.0f);
        operands<Isa, bf16, product::fma> room(rows, steps * 2, weight_format::checkpoint);
        tile.by_fma(p.matrix, 0, room.of(x, p.matrix, row_by_row).wide, p.weights());
        CHECK(p.wrong(tile.value) == 0);
        CHECK(control() == before);
        std::fill(std::begin(tile.value), std::end(tile.value), 0.0f);
        tile.by_dot(p.matrix, 0, x, p.weights());
        CHECK(p.wrong(tile.value) == 0);
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
#if VERBATIM_HAS_AVX512BF16
  check_ways<avx512bf16>();
#else
  skip("vdpbf16ps is not in this build's target");
#endif
}

namespace {

/// A quantised matrix and one that holds the values that it stands for.
template <class Isa, class T> void check_quantised(weight_format format) {
  if constexpr (compiled_for<Isa>)
    for (int k : {1, 17, 32, 33, 40, 65, 80, 96, 127, 1000})
      for (int rows : {1, 2, 3, 4, 5, 6, 7, 8, 13, row_tile<Isa>::rows}) {
        if (rows > row_tile<Isa>::rows) continue;
        int const outputs[2] = {70, 3};
        packed_matrix<T> small(outputs, 2, k, format), plain(outputs, 2, k);
        std::mt19937 random(std::uint32_t(k + rows));
        std::vector<T> source(std::size_t(70 * k)), values(source.size());
        for (int part = 0; part < 2; ++part) {
          for (T& w : source) w = from_float<T>(std::ldexp(float(int(random() % 2001) - 1000), -10 - int(random() % 3)));
          for (int p = 0; p < padded(outputs[part]) / panel_outputs; ++p) small.pack(part, p, source.data());
          for (int r = 0; r < outputs[part]; ++r) small.copy_row(part, r, values.data() + std::size_t(r * k));
          for (int p = 0; p < padded(outputs[part]) / panel_outputs; ++p) plain.pack(part, p, values.data());
          float worst = 0;   // of values up to 1: half a step, or (int4) one at the side that has a code less
          for (int i = 0; i < outputs[part] * k; ++i) worst = std::max(worst, std::fabs(to_float(source[std::size_t(i)]) - to_float(values[std::size_t(i)])));
          CHECK(worst <= (format == weight_format::int8 ? 1.0f / 128 : 1.0f / 6));
          CHECK((worst > 0 || k == 1));   // one value may be a code
        }
        std::size_t const stride = std::size_t(padded(k));
        aligned_array<T> x(stride * std::size_t(rows));
        for (int r = 0; r < rows; ++r)
          for (int i = 0; i < k; ++i) x.data()[std::size_t(r) * stride + std::size_t(i)] = from_float<T>(float(int(random() % 257) - 128) / 64);
        static row_tile<Isa> a, b;
        operands<Isa, T> room(rows, k, format);
        for (int p = 0; p < plain.panels(); ++p) {
          CAPTURE(Isa::name, k, rows, p);
          rows_of<T> const all{x.data(), rows, k, stride};
          a.template multiply<T>(small, p, room.of(all, small, row_by_row), small.panel(p));
          b.template multiply<T>(plain, p, room.of(all, plain, row_by_row), plain.panel(p));
          CHECK(std::memcmp(a.value, b.value, sizeof(float) * std::size_t(rows * panel_outputs)) == 0);
        }
      }
}

}  // namespace

TEST_CASE("cpu/linear: a quantised matrix gives the bits of the values that it stands for") {
  for (auto format : {weight_format::int8, weight_format::int4}) {
    check_quantised<scalar, float>(format), check_quantised<scalar, bf16>(format);
    check_quantised<avx2, float>(format), check_quantised<avx2, bf16>(format);
    check_quantised<avx512, float>(format), check_quantised<avx512, bf16>(format);
    check_quantised<avx512bf16, float>(format), check_quantised<avx512bf16, bf16>(format);
  }
}

namespace {

/// Sums of w4a8 as its definition says them, one element at a time, against what `Isa` has.
template <class Isa, class T> void check_int8(float size) {
  if constexpr (compiled_for<Isa>)
    for (int k : {1, 17, 32, 33, 65, 127, 512, 513, 1000})
      for (int rows : {1, 2, 3, 4, 5, 6, 7, 13, row_tile<Isa>::rows}) {
        if (rows > row_tile<Isa>::rows) continue;
        int const outputs = 70;
        packed_matrix<T> w(&outputs, 1, k, weight_format::w4a8);
        std::mt19937 random(std::uint32_t(k * 100 + rows));
        auto const some = [&] { return float(int(random() % 2001) - 1000) / 1000; };
        std::vector<T> source(std::size_t(outputs * k)), values(source.size()), x(std::size_t(rows * k));
        for (T& v : source) v = from_float<T>(some());
        for (T& v : x) v = from_float<T>(some() * size * (random() % 50 ? 1.0f : 30.0f));
        for (int i = 0; i < std::min(k, 32); ++i) x[std::size_t((rows - 1) * k + i)] = T{};   // a block of zeros
        for (int p = 0; p < w.panels(); ++p) w.pack(0, p, source.data());
        for (int r = 0; r < outputs; ++r) w.copy_row(0, r, values.data() + std::size_t(r * k));
        int const blocks = int8_blocks(k);
        operands<Isa, T> room(rows, k, weight_format::w4a8);
        auto const by = room.of({x.data(), rows, k, std::size_t(k)}, w, row_by_row);
        static row_tile<Isa> tile;
        int wrong = 0, unlike = 0, far = 0;
        for (int p = 0; p < w.panels(); ++p) {
          std::fill(std::begin(tile.value), std::end(tile.value), 9.0f);
          tile.template multiply<T>(w, p, by, w.panel(p));
          for (int r = 0; r < rows; ++r)
            for (int o = 0; o < 64 && p * 64 + o < outputs; ++o) {
              float chain = 0;
              double plain = 0, bound = 0;
              for (int b = 0; b < blocks; ++b) {
                int const n = std::min(32, k - 32 * b);
                auto const in = [&](int i) { return to_float(x[std::size_t(r * k + 32 * b + i)]); };
                auto const value = [&](int i) { return to_float(values[std::size_t((p * 64 + o) * k + 32 * b + i)]); };
                float most = 0;
                for (int i = 0; i < n; ++i) most = std::max(most, std::fabs(in(i)));
                int sum = 0;
                float const scale = to_float(w.template blocks_of<4>(p)[b].scale[o]);
                for (int i = 0; i < n; ++i) {
                  int const code = most == 0 ? 0 : int(std::nearbyint(double(in(i)) * double(127 / most)));
                  sum += code * int(std::lround(value(i) / scale));
                  unlike += by.codes.row(r)[b].decode(i) != float(code) * (most / 127);
                  plain += double(value(i)) * in(i), bound += std::fabs(value(i)) * most / 253;
                }
                chain = std::fma(float(sum), scale * (most / 127), chain);
              }
              wrong += std::bit_cast<std::uint32_t>(chain) != std::bit_cast<std::uint32_t>(tile.row(r)[o]);
              far += std::fabs(chain - plain) > bound + 1e-5 * size;
            }
        }
        CAPTURE(Isa::name, k, rows, size);
        CHECK(wrong == 0);
        CHECK(unlike == 0);
        CHECK(far == 0);
      }
}

template <class Isa> void check_int8_extremes() {
  if constexpr (compiled_for<Isa>)
    for (float extreme : {0.0f, 1e-40f, 0x1p-101f, 0x1p-100f, 1.0f, 3e38f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      float x[32] = {};
      x[7] = extreme, x[20] = -extreme / 2, x[31] = 0x1p-110f;
      int8_block b;
      encode_row<vector_of<Isa>>(x, 32, &b);
      CAPTURE(Isa::name, extreme);
      if (!std::isfinite(extreme)) { CHECK(std::isnan(b.decode(0))); continue; }
      bool const some = extreme >= 0x1p-100f;
      CHECK(b.code[int8_block::place(7)] == (some ? 127 : 0));
      CHECK(b.code[int8_block::place(20)] == (some ? -64 : 0));   // -63.5: to even
      CHECK(b.offset == (some ? -8 * 63 : 0));
      CHECK((b.scale == 0) == !some);
    }
  // The greatest sums that there can be: all weights at -8 or 7, all inputs at an extreme.
  if constexpr (compiled_for<Isa>)
    for (float sign : {1.0f, -1.0f}) {
      int const outputs = 64;
      packed_matrix<float> w(&outputs, 1, 64, weight_format::w4a8);
      std::vector<float> source(64 * 64, -8.0f), x(6 * 64, sign);
      for (int o = 0; o < 32; ++o)
        for (int i = 1; i < 64; ++i)
          if (i % 32) source[std::size_t(o * 64 + i)] = 7.0f;
      w.pack(0, 0, source.data());
      operands<Isa, float> room(6, 64, weight_format::w4a8);
      for (int rows : {1, 6}) {
        if (rows > row_tile<Isa>::rows) continue;
        static row_tile<Isa> tile;
        tile.template multiply<float>(w, 0, room.of({x.data(), rows, 64, 64}, w, row_by_row), w.panel(0));
        for (int r = 0; r < rows; ++r)
          for (int o = 0; o < 64; ++o) {
            float const sum = sign * (o < 32 ? 31 * 7 - 8 : -8 * 32) * 127, scale = 1.0f / 127;
            CHECK(tile.row(r)[o] == std::fma(sum, scale, sum * scale));
          }
      }
    }
}

}  // namespace

TEST_CASE("cpu/linear: int4 times eight bits are chains of blocks whose sums are integers") {
  for (float size : {1.0f, 0x1p-40f}) {
    check_int8<scalar, float>(size), check_int8<scalar, bf16>(size);
    check_int8<avx2, float>(size), check_int8<avx2, bf16>(size);
    check_int8<avx512, float>(size), check_int8<avx512, bf16>(size);
    check_int8<avx512bf16, float>(size), check_int8<avx512bf16, bf16>(size);
  }
  check_int8_extremes<scalar>(), check_int8_extremes<avx2>(), check_int8_extremes<avx512>(), check_int8_extremes<avx512bf16>();
}

TEST_CASE("cpu/linear: int4 times eight bits have the same bits with and without VNNI") {
  // Whoever has int8_lanes within has in its type whether these use it, as units of a program may be compiled for different machines.
  static_assert(avx512::vnni == VERBATIM_HAS_AVX512VNNI && avx512bf16::vnni == VERBATIM_HAS_AVX512VNNI && !avx2::vnni && !scalar::vnni);
#if VERBATIM_HAS_AVX512VNNI
  std::mt19937 random(5);
  std::vector<quantised_block<4>> w(3);
  std::vector<int8_block> x(6 * w.size());
  for (auto& block : w)
    for (int o = 0; o < 64; ++o) {
      float in[block_inputs];
      for (float& v : in) v = random() % 4 ? -8.0f : float(int(random() % 16) - 8);   // sums near the greatest
      block.encode(o, in);
    }
  for (auto& block : x) {
    float in[block_inputs];
    for (float& v : in) v = random() % 4 ? 127.0f : float(int(random() % 255) - 127);
    block.encode(vector_of<avx512>::load(in), vector_of<avx512>::load(in + 16));
  }
  for (int rows = 1; rows <= 6; ++rows) {
    float sums[2][6 * panel_outputs] = {};
    multiply_int8<avx512, false>(w.data(), int(w.size()), x.data(), w.size(), rows, sums[0], {reinterpret_cast<std::uint32_t const*>(w.data()), 0});
    multiply_int8<avx512, true>(w.data(), int(w.size()), x.data(), w.size(), rows, sums[1], {reinterpret_cast<std::uint32_t const*>(w.data()), 0});
    CAPTURE(rows);
    CHECK(std::memcmp(sums[0], sums[1], sizeof sums[0]) == 0);
    CHECK(sums[1][rows * panel_outputs - 1] != 0);
  }
#else
  skip("VNNI is not in this build's target");
#endif
}

TEST_CASE("cpu/quantised: codes and scales are those of this revision; zeros have no sign") {
  static_assert(quantiser_revision == 2, "record the sums of the codes anew");
  std::uint64_t sums[2] = {14695981039346656037u, 14695981039346656037u};
  std::mt19937 random(11);
  int zeros = 0;
  for (int n = 0; n < 4000; ++n) {
    float w[block_inputs];
    for (float& x : w) {
      float const significand = float(int(random() % 65537) - 32768);
      x = std::ldexp(significand, -15 - n % 100 - int(random() % 4));
    }
    quantised_block<8> a{};
    quantised_block<4> b{};
    a.encode(n % 64, w), b.encode(n % 64, w);
    auto const add = [&](std::uint64_t& sum, auto const& block) {
      std::vector<std::uint32_t> f32(block_inputs * 64);
      unpack<vector_of<scalar>, (sizeof(block) > 2048 ? 8 : 4), float>(&block, 1, f32.data());
      for (int i = 0; i < block_inputs; ++i) {
        auto const value = std::bit_cast<std::uint32_t>(block.decode(n % 64, i));
        if (f32[std::size_t(i * 64 + n % 64)] != value) FAIL("unpacked otherwise than decoded");
        zeros += value == 0;
        if (value == 0x80000000u) FAIL("a zero with a sign");
        sum = (sum ^ value) * 1099511628211u;
      }
    };
    add(sums[0], a), add(sums[1], b);
  }
  CHECK(zeros > 1000);
  CHECK(sums[0] == 0x86dc15c88b473325u);
  CHECK(sums[1] == 0xe8d8b1a6ecb33325u);
}

TEST_CASE("cpu/quantised: zeros, extremes, what is small and what is not finite") {
  quantised_block<8> a{};
  quantised_block<4> b{};
  float w[block_inputs] = {};
  a.encode(3, w), b.encode(3, w);
  CHECK(a.decode(3, 5) == 0);
  CHECK(b.decode(3, 5) == 0);
  for (float extreme : {1e30f, -1e30f, 1e-40f, -1e-40f, 1.0f, 127.0f, -8.0f, 7.0f}) {
    w[7] = extreme, w[9] = -extreme / 3;
    a.encode(3, w), b.encode(3, w);
    CAPTURE(extreme);
    for (int i : {7, 9}) {
      CHECK(std::isfinite(a.decode(3, i)));
      CHECK(std::fabs(a.decode(3, i) - w[i]) <= std::max(std::fabs(extreme) / 127, 0x1p-118f));
      CHECK(std::fabs(b.decode(3, i) - w[i]) <= std::max(std::fabs(extreme) / 7, 0x1p-117f));
      CHECK(to_float(to_bf16(a.decode(3, i))) == a.decode(3, i));
      CHECK(to_float(to_bf16(b.decode(3, i))) == b.decode(3, i));
    }
  }
  for (float odd : {3.3e38f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    w[7] = odd;
    a.encode(3, w), b.encode(3, w);
    CHECK(std::isnan(a.decode(3, 0)));
    CHECK(std::isnan(b.decode(3, 0)));
  }
}
