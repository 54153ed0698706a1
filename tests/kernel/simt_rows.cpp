// Row-wise kernels, norms, rotary embedding with append, and linears, wherever they run (launches.hpp): against plain references, and
// bit for bit over rows, page sizes, which linear ran, and orders of threads. Elementwise kernels have the bits of the CPU backend.
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "launches.hpp"
#include "verbatim/backend/cpu/norm.hpp"
#include "verbatim/backend/cpu/rope.hpp"
#include "verbatim/kernel/convert.hpp"
#include "verbatim/kernel/linear.hpp"
#include "verbatim/kernel/rms_norm.hpp"
#include "verbatim/kernel/rope_append.hpp"
#include "verbatim/kernel/rowwise.hpp"

using namespace verbatim;
using namespace verbatim::kernel;
using namespace kernel_tests;

namespace {

template <class T> void check_rowwise() {
  int const rows = 3, width = 200;
  auto table = random_values<T>(7 * std::size_t(width), 1);
  memory<token> ids(3);
  ids[0] = 6, ids[1] = 0, ids[2] = 7;   // the last is none
  memory<T> y(rows * std::size_t(width), from_float<T>(9));
  launch(embedding_params<T>{table, ids, y, rows, width}, 5);
  CHECK(same(y.data(), table.data() + 6 * width, std::size_t(width)));
  CHECK(same(y.data() + width, table.data(), std::size_t(width)));
  for (int i = 0; i < width; ++i) CHECK(to_float(y[std::size_t(2 * width + i)]) == 0);
  memory<sampling_result> sampled(2);   // what a step before has sampled
  sampled[0].id = 5, sampled[1].id = -1;
  memory<token> later(3);
  later[0] = ~0, later[1] = ~1, later[2] = ~2;   // the second is no token, the third no output
  launch(embedding_params<T>{table, later, y, rows, width, sampled}, 5);
  CHECK(same(y.data(), table.data() + 5 * width, std::size_t(width)));
  for (int i = width; i < 3 * width; ++i) CHECK(to_float(y[std::size_t(i)]) == 0);

  using V = cpu::vector_of<cpu::scalar>;
  auto x = random_values<T>(rows * 208, 2), z = random_values<T>(rows * 208, 3);
  auto expected = x;
  for (int r = 0; r < rows; ++r) cpu::add<cpu::scalar>(expected.data() + r * 208, z.data() + r * 208, 208);
  launch(add_params<T>{x, z, rows, 208}, 5);
  CHECK(same(x.data(), expected.data(), rows * 208));

  auto gate_up = random_values<T>(rows * 2 * 208, 4, 3);
  memory<T> out(rows * 208), wanted(rows * 208);
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < 208; i += tree_lanes)
      cpu::silu_mul<T>(V::load(gate_up.data() + r * 416 + i), V::load(gate_up.data() + r * 416 + 208 + i)).store(wanted.data() + r * 208 + i);
  launch(silu_mul_params<T>{gate_up, out, rows, 208}, 5);
  CHECK(same(out.data(), wanted.data(), rows * 208));
}

template <class T> void check_norm(int width, float bound) {
  int const rows = 4, stride = width + 16;
  auto x = random_values<T>(std::size_t(rows * stride), 6, 4);
  auto w = random_values<float>(std::size_t(width), 7);
  memory<T> y(x.size), alone(x.size), shuffled(x.size);
  launch(rms_norm_params<T>{x, w, y, rows, width, stride, 1e-6f});
  double worst = 0;
  for (int r = 0; r < rows; ++r) {
    double squares = 0;
    for (int i = 0; i < width; ++i) squares += std::pow(double(to_float(x[std::size_t(r * stride + i)])), 2);
    for (int i = 0; i < width; ++i) {
      double const exact = double(w[std::size_t(i)]) * double(to_float(x[std::size_t(r * stride + i)])) / std::sqrt(squares / width + 1e-6);
      worst = std::max(worst, std::abs(exact - double(to_float(y[std::size_t(r * stride + i)]))) / (std::abs(exact) + 1e-30));
    }
    launch(rms_norm_params<T>{{x.data() + r * stride, std::size_t(width)}, w, {alone.data() + r * stride, std::size_t(width)}, 1, width, stride, 1e-6f},
           std::uint64_t(r + 1));
  }
  INFO("width " << width << ", worst relative error " << worst);
  CHECK(worst <= double(bound));
  CHECK(same(y.data(), alone.data(), x.size));
  launch(rms_norm_params<T>{x, w, x, rows, width, stride, 1e-6f}, 9);   // in place
  for (int r = 0; r < rows; ++r) CHECK(same(y.data() + r * stride, x.data() + r * stride, std::size_t(width)));
}

template <class T> void check_rope(int page) {
  int const rows = 5, heads = 4, kv_heads = 2, d = 16, half = d / 2, columns = (heads + 2 * kv_heads) * d, pages_each = (40 + page - 1) / page;
  auto qkv = random_values<T>(std::size_t(rows * columns), 8);
  auto before = qkv;
  memory<float> frequencies(8), cosine(40), sine(40);
  for (int i = 0; i < half; ++i) frequencies[std::size_t(i)] = std::pow(10000.0f, -float(i) / float(half));
  memory<int> positions(5), of(5), pages(std::size_t(2 * pages_each)), none(2);
  for (int r = 0; r < rows; ++r) positions[std::size_t(r)] = r < 2 ? 30 + r : r * 3, of[std::size_t(r)] = r < 2 ? 0 : 1;
  for (int i = 0; i < 2 * pages_each; ++i) pages[std::size_t(i)] = 2 * pages_each - i;
  std::size_t const cells = std::size_t(2 * pages_each + 1) * std::size_t(page * kv_heads * d);
  memory<T> keys(cells, from_float<T>(7)), values(cells, from_float<T>(7));
  paged_kv<T> kv{keys, values, page, kv_heads, d};
  launch(rope_table_params<T>{positions, frequencies, cosine, sine, rows, half}, 2);
  auto queries = random_values<T>(std::size_t(rows * heads * d), 9);
  launch(rope_append_params<T>{qkv, queries, cosine, sine, positions, of, {none, none, none, pages, 2, pages_each}, kv, rows, heads}, 3);
  for (int r = 0; r < rows; ++r) {
    std::vector<float> c(16), s(16);
    cpu::rope_row<T>(frequencies.data(), half, positions[std::size_t(r)], c.data(), s.data());
    auto expected = before;
    T* const e = expected.data() + r * columns;
    for (int h = 0; h < heads + kv_heads; ++h) cpu::rotate<cpu::scalar>(e + h * d, c.data(), s.data(), half);
    CHECK(same(e, queries.data() + r * heads * d, std::size_t(heads * d)));
    int const position = positions[std::size_t(r)], id = pages[std::size_t(of[std::size_t(r)] * pages_each + position / page)];
    for (int h = 0; h < kv_heads; ++h) {
      CHECK(same(e + (heads + h) * d, keys.data() + kv.at(id, h, position % page), std::size_t(d)));
      CHECK(same(e + (heads + kv_heads + h) * d, values.data() + kv.at(id, h, position % page), std::size_t(d)));
    }
  }
  std::size_t written = 0;
  for (std::size_t i = 0; i < cells; ++i) written += to_float(keys[i]) != 7;
  CHECK(written == std::size_t(rows * kv_heads * d));   // and nothing else
}

template <class T, class Out, class Kernel> memory<Out> multiply(linear_params<T, Out> const& p, std::uint64_t seed) {
  memory<Out> y(std::size_t(p.rows * p.outputs), from_float<Out>(77));
  Kernel k{p};
  k.y = y;
  launch(k, seed);
  return y;
}

template <class T, class Out> void check_linear(int rows, int outputs, int k, bool with_bias, float bound) {
  auto x = random_values<T>(std::size_t(rows * k), 10), w = random_values<T>(std::size_t(outputs * k), 11);
  auto bias = random_values<float>(std::size_t(outputs), 12);
  linear_params<T, Out> const p{x, w, with_bias ? global<float const>(bias) : global<float const>{}, {}, rows, outputs, k};
  auto many = multiply<T, Out, tiled_linear<T, Out>>(p, 0);
  double worst = 0;
  for (int r = 0; r < rows; ++r)
    for (int o = 0; o < outputs; ++o) {
      double exact = with_bias ? double(bias[std::size_t(o)]) : 0, size = std::abs(exact);
      for (int i = 0; i < k; ++i) {
        double const term = double(to_float(x[std::size_t(r * k + i)])) * double(to_float(w[std::size_t(o * k + i)]));
        exact += term, size += std::abs(term);
      }
      worst = std::max(worst, std::abs(exact - double(to_float(many[std::size_t(r * outputs + o)]))) / size);
    }
  INFO(rows << " rows, " << outputs << " outputs, k " << k << ": error " << worst << " of the sum of sizes");
  CHECK(worst <= double(bound));
  CHECK(same(many.data(), multiply<T, Out, skinny_linear<T, Out, 1>>(p, 1).data(), many.size));
  CHECK(same(many.data(), multiply<T, Out, skinny_linear<T, Out, 4>>(p, 2).data(), many.size));
  CHECK(same(many.data(), multiply<T, Out, skinny_linear<T, Out, 8>>(p, 3).data(), many.size));
  linear_params<T, Out> last = p;   // the last row alone
  last.rows = 1, last.x = {x.data() + (rows - 1) * k, std::size_t(k)};
  CHECK(same(many.data() + (rows - 1) * outputs, multiply<T, Out, skinny_linear<T, Out, 1>>(last, 4).data(), std::size_t(outputs)));
  CHECK(same(many.data() + (rows - 1) * outputs, multiply<T, Out, tiled_linear<T, Out>>(last, 5).data(), std::size_t(outputs)));
}

template <class T, class To, class From> void check_conversion() {
  for (int count : {1, 255, 256, 4096, 4097, 9001}) {
    memory<From> from(std::size_t(count + 5));
    std::mt19937 random(10);
    for (int i = 0; i < count + 5; ++i) {
      if constexpr (sizeof(From) == 4) from[std::size_t(i)] = float(int(random())) * 0x1p-30f;
      else from[std::size_t(i)].bits = std::uint16_t(random() & 0xbbffu);   // numbers of either format
    }
    memory<To> to(std::size_t(count + 5), from_float<To>(77));
    launch(convert_params<T, To, From>{from, to, count}, 5);
    int wrong = 0;
    for (int i = 0; i < count + 5; ++i) {
      To const expected = from_float<To>(i < count ? to_float(from_float<T>(to_float(from[std::size_t(i)]))) : 77.0f);
      wrong += std::memcmp(&expected, &to[std::size_t(i)], sizeof(To)) != 0;
    }
    INFO(count << " elements");
    CHECK(wrong == 0);
  }
}
template <class T, class To> void check_conversions() { check_conversion<T, To, float>(), check_conversion<T, To, bf16>(), check_conversion<T, To, f16>(); }

}  // namespace

TEST_CASE("embedding, addition and the SiLU gate have the bits of the CPU backend") {
  if (!can_launch()) return;
  check_rowwise<float>();
  check_rowwise<bf16>();
}

TEST_CASE("RMS norm is near the exact one, and the same alone, in company and in place") {
  if (!can_launch()) return;
  for (int width : {8, 64, 128, 264, 896, 2056}) {
    check_norm<float>(width, 4e-7f);
    check_norm<bf16>(width, 0x1p-8f + 0x1p-8f);   // two roundings to eight bits
  }
}

TEST_CASE("rotary embedding has the bits of the CPU backend and appends to pages of any size") {
  if (!can_launch()) return;
  for (int page : {1, 3, 16, 64}) check_rope<float>(page), check_rope<bf16>(page);
}

TEST_CASE("linears for few and for many rows have the same bits, near the exact product") {
  if (!can_launch()) return;
  check_linear<float, float>(9, 20, 8, true, 1e-6f);
  check_linear<float, float>(3, 17, 1100, false, 1e-6f);
  check_linear<bf16, bf16>(9, 33, 264, true, 0x1p-9f + 1e-6f);
  check_linear<bf16, float>(66, 70, 136, false, 1e-6f);
  check_linear<bf16, float>(2, 16, 1032, false, 1e-6f);
}
TEST_CASE("conversions are those of the host, and end where they should") {
  if (!can_launch()) return;
  check_conversions<bf16, bf16>();
  check_conversions<bf16, float>();
  check_conversions<float, float>();
}
