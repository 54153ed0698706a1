// Every instruction set that this target has gives the bits of lanes<scalar>; vdpbf16ps is what its scalar twin says.
#include <cstring>
#include <random>
#include <vector>

#include "catch.hpp"
#include "verbatim/backend/cpu/mac.hpp"
#include "verbatim/backend/cpu/norm.hpp"
#include "verbatim/backend/cpu/rope.hpp"
#include "verbatim/backend/cpu/simd.hpp"

using namespace verbatim;
using namespace verbatim::cpu;

namespace {

struct sixteen {
  alignas(64) float v[16];
};

template <class V> sixteen out_of(V v) {
  sixteen s;
  v.store(s.v);
  return s;
}

bool same(sixteen const& a, sixteen const& b) { return std::memcmp(a.v, b.v, 64) == 0; }

/// Ordinary values, large and small ones, zeros, subnormals, infinities.
sixteen random_lanes(std::mt19937& random) {
  sixteen s;
  for (float& x : s.v) {
    std::uint32_t bits = random();
    if (random() % 4) bits = (bits & 0x83ffffffu) | 0x3c000000u;   // mostly between 2^-7 and 2^1
    x = std::bit_cast<float>(bits);
    if (std::isnan(x)) x = 0;
  }
  return s;
}

template <class Isa> void check_lanes() {
  using S = lanes<scalar>;
  using V = vector_of<Isa>;
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    sixteen const a = random_lanes(random), b = random_lanes(random), c = random_lanes(random);
    S const sa = S::load(a.v), sb = S::load(b.v), sc = S::load(c.v);
    V const va = V::load(a.v), vb = V::load(b.v), vc = V::load(c.v);
    int const first = int(random() % 20) - 2, last = int(random() % 20) - 2;
    bool all = same(out_of(sa + sb), out_of(va + vb)) && same(out_of(sa - sb), out_of(va - vb)) && same(out_of(sa * sb), out_of(va * vb));
    all = all && same(out_of(max(sa, sb)), out_of(max(va, vb))) && same(out_of(min(sa, sb)), out_of(min(va, vb)));
    all = all && same(out_of(fma(sa, sb, sc)), out_of(fma(va, vb, vc))) && same(out_of(sa.to_bf16()), out_of(va.to_bf16()));
    all = all && same(out_of(sa.lower()), out_of(va.lower())) && same(out_of(sa.upper()), out_of(va.upper()));
    all = all && same(out_of(sa.keep(first, last, 3)), out_of(va.keep(first, last, 3)));
    all = all && same(out_of(math::exp(sa)), out_of(math::exp(va))) && same(out_of(math::silu(sa)), out_of(math::silu(va)));
    bf16 half[2][16];
    sa.store(half[0]), va.store(half[1]);
    all = all && std::memcmp(half[0], half[1], 32) == 0 && same(out_of(S::load(half[0])), out_of(V::load(half[0])));
    all = all && tree_sum(sa) == tree_sum(va) && maximum(sa) == maximum(va);
    REQUIRE((all || std::isnan(tree_sum(sa))));
  }
}

template <class Isa, class T> void check_rows() {
  std::mt19937 random(2);
  for (int n : {2, 8, 16, 18, 64, 100}) {
    std::vector<T> x(static_cast<std::size_t>(n)), y(x), z(x);
    std::vector<float> w(x.size()), c(x.size()), s(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = from_float<T>(float(random() % 2001) / 1000 - 1);
      w[i] = to_float(from_float<T>(float(random() % 2001) / 1000));
      c[i] = to_float(from_float<T>(float(random() % 2001) / 1000 - 1)), s[i] = to_float(from_float<T>(float(random() % 2001) / 1000 - 1));
    }
    rms_norm<scalar>(x.data(), w.data(), y.data(), n, 1e-5f);
    rms_norm<Isa>(x.data(), w.data(), z.data(), n, 1e-5f);
    REQUIRE(y == z);
    y = z = x;
    rotate<scalar>(y.data(), c.data(), s.data(), n / 2);
    rotate<Isa>(z.data(), c.data(), s.data(), n / 2);
    REQUIRE(y == z);
    add<scalar>(y.data(), x.data(), n);
    add<Isa>(z.data(), x.data(), n);
    REQUIRE(y == z);
  }
}

template <class Isa> void check() {
  if constexpr (compiled_for<Isa>) {
    check_lanes<Isa>();
    check_rows<Isa, float>();
    check_rows<Isa, bf16>();
  } else {
    skip(std::string(Isa::name) + " is not in this build's target");
  }
}

/// bf16 values as weights and activations have them; no subnormal sums.
template <class Isa> void check_mac() {
  if constexpr (compiled_for<Isa>) {
    std::mt19937 random(3);
    for (int i = 0; i < 20000; ++i) {
      alignas(64) std::uint32_t w[16], x[16];
      sixteen acc;
      for (int l = 0; l < 16; ++l) {
        auto const value = [&] { return std::uint32_t(random() & 0x83ffu) | 0x3c00u; };   // 2^-7 .. 2, either sign
        w[l] = value() | value() << 16, x[l] = value() | value() << 16;
        acc.v[l] = float(int(random() % 2001) - 1000) / 64;
      }
      using V = vector_of<Isa>;
      sixteen const got = out_of(mac<Isa, bf16>(V::load(acc.v), V::load_words(w), V::load_words(x)));
      for (int l = 0; l < 16; ++l) {
        auto const half = [](std::uint32_t word, int which) { return bf16{std::uint16_t(which ? word >> 16 : word)}; };
        float const twin = dot_pair(acc.v[l], half(w[l], 0), half(w[l], 1), half(x[l], 0), half(x[l], 1));
        REQUIRE(got.v[l] == twin);
      }
    }
  }
}

}  // namespace

TEST_CASE("simd: avx2 gives the bits of scalar lanes") { check<avx2>(); }
TEST_CASE("simd: avx512 gives the bits of scalar lanes") { check<avx512>(); }

TEST_CASE("mac: every instruction set sums a bf16 pair in the order of its scalar twin") {
  check_mac<scalar>();
  check_mac<avx2>();
  check_mac<avx512>();
  if (!compiled_for<avx512bf16>) return skip("vdpbf16ps is not in this build's target");
  check_mac<avx512bf16>();
}

#if VERBATIM_HAS_AVX512BF16
TEST_CASE("mac: vdpbf16ps flushes subnormals as its twin does") {
  using V = vector_of<avx512bf16>;
  auto const lane = [](float acc, bf16 w0, bf16 w1, bf16 x0, bf16 x1) {
    auto const word = [](bf16 a, bf16 b) { return std::uint32_t(a.bits) | std::uint32_t(b.bits) << 16; };
    return out_of(mac<avx512bf16, bf16>(V(acc), V::all_words(word(w0, w1)), V::all_words(word(x0, x1)))).v[0];
  };
  bf16 const one = to_bf16(1), small = to_bf16(0x1p-126f), tiny{0x0001}, zero{0}, quarter = to_bf16(0.25f), huge = to_bf16(0x1p100f);
  for (float acc : {0.0f, 1.0f, 0x1p-130f, -0x1p-126f})
    for (bf16 a : {one, small, tiny, zero, quarter, huge})
      for (bf16 b : {one, small, tiny, zero, quarter})
        for (bf16 c : {one, small, tiny, quarter}) {
          float const got = lane(acc, a, b, c, quarter), twin = dot_pair(acc, a, b, c, quarter);
          CAPTURE(acc, to_float(a), to_float(b), to_float(c));
          CHECK(std::bit_cast<std::uint32_t>(got) == std::bit_cast<std::uint32_t>(twin));
        }
  std::mt19937 random(3);   // sums that end near the least normal number, where rounding decides whether they are flushed
  auto const near = [&](int exponent) { return to_bf16(std::ldexp((random() % 2 ? 1.0f : -1.0f) * (1 + float(random() % 128) / 128), exponent)); };
  int differ = 0, flushed = 0;
  for (int i = 0; i < 300000; ++i) {
    float const acc = std::bit_cast<float>(std::uint32_t((random() & 0x807fffffu) | (random() % 3) << 23));
    int const at = -60 - int(random() % 8), from = -126 - int(random() % 32);
    bf16 const w0 = near(at), x0 = near(from - at), w1 = near(at), x1 = near(from - at + int(random() % 8));
    float const got = lane(i % 4 ? acc : std::copysign(0x1p-126f, acc), w0, w1, x0, x1), twin = dot_pair(i % 4 ? acc : std::copysign(0x1p-126f, acc), w0, w1, x0, x1);
    differ += std::bit_cast<std::uint32_t>(got) != std::bit_cast<std::uint32_t>(twin), flushed += got == 0;
  }
  CHECK(differ == 0);
  CHECK(flushed > 1000);
}
#endif
