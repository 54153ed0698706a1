// What kernels do besides their own work gives the bits of the kernels that do it alone: results stored in tiles are those of rows that
// are brought into tiles.
#include <cstring>
#include <random>
#include <vector>

#include "catch.hpp"
#include "verbatim/kernel/mma_attention.hpp"
#include "verbatim/kernel/rms_norm.hpp"
#include "verbatim/kernel/rowwise.hpp"
#include "verbatim/simt/host_grid.hpp"

using namespace verbatim;
using namespace verbatim::kernel;

namespace {

template <class Params> void on_host(Params const& p, std::uint64_t seed) {
  simt::launch(shape_of(p), [&](simt::host_grid g) { run(g, p); }, seed);
}
/// Aligned as device memory is.
template <class T> struct memory {
  explicit memory(std::size_t n, T fill = {}) : values(n + 16, fill), size(n) {}
  T* data() { return reinterpret_cast<T*>((reinterpret_cast<std::uintptr_t>(values.data()) + 15) / 16 * 16); }
  T& operator[](std::size_t i) { return data()[i]; }
  operator global<T>() { return {data(), size}; }
  operator global<T const>() { return {data(), size}; }
  std::vector<T> values;
  std::size_t size;
};
template <class T> memory<T> random_values(std::size_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  memory<T> m(n);
  for (std::size_t i = 0; i < n; ++i) m[i] = from_float<T>(normal(random));
  return m;
}
constexpr bf16 untouched{0x7fc3};

/// Whether store(y, groups) leaves in tiles what it leaves in rows, zeros behind them, and no more.
template <class Store> bool same_in_tiles(int rows, int width, int groups, Store store) {
  memory<bf16> in_rows(std::size_t(rows * width), untouched), tiles(sm90::activation_elements(groups, width), untouched), expected(tiles.size);
  store(in_rows, 0);
  store(tiles, groups);
  on_host(sm90::tile_activations{{in_rows, expected, rows, width}, groups}, 1);
  for (int row = rows; row < groups * sm90::group_rows; ++row)   // rows that are not there
    for (int k = 0; k < stored_columns(width, groups); ++k) expected[activation_at<bf16>(row, k, width, groups)] = untouched;
  return std::memcmp(tiles.data(), expected.data(), tiles.size * sizeof(bf16)) == 0;
}

/// One sequence of `rows` tokens from position `first` on, its keys and values in pages of 16.
template <int D> struct attention_problem {
  int heads, kv_heads, rows, first;
  memory<bf16> q = random_values<bf16>(std::size_t(rows * heads * D), 1);
  memory<int> of_sequence = memory<int>(8), pages = memory<int>(std::size_t((first + rows + 15) / 16)), positions = memory<int>(std::size_t(rows));
  memory<bf16> keys = random_values<bf16>(pages.size * std::size_t(16 * kv_heads * D), 2), values = random_values<bf16>(keys.size, 3);
  memory<float> partial = memory<float>(std::size_t(rows * heads * 4 * (D + 2)));

  attention_params<bf16> with(global<bf16> out, int groups) {
    of_sequence[0] = 0, of_sequence[1] = rows, of_sequence[2] = first;
    for (std::size_t i = 0; i < pages.size; ++i) pages[i] = int(i);
    for (int r = 0; r < rows; ++r) positions[std::size_t(r)] = first + r;
    auto const one = [&](int i) { return global<int const>{of_sequence.data() + i, 1}; };
    return {q, out, {keys, values, 16, kv_heads, D}, {one(0), one(1), one(2), pages, 1, int(pages.size)}, heads, rows, 64, 0, rows, 4, partial, groups};
  }
};

}  // namespace

TEST_CASE("norms and gates stored in tiles are those of rows") {
  for (auto [rows, width, groups] : {std::tuple{1, 72, 1}, {11, 128, 2}, {19, 264, 4}, {3, 2056, 1}}) {
    auto x = random_values<bf16>(std::size_t(rows * 2 * width), 4);
    auto w = random_values<float>(std::size_t(width), 5);
    CHECK(same_in_tiles(rows, width, groups, [&](global<bf16> y, int g) { on_host(rms_norm_params<bf16>{x, w, y, rows, width, width, 1e-6f, 1, g}, 2); }));
    CHECK(same_in_tiles(rows, width, groups, [&](global<bf16> y, int g) { on_host(silu_mul_params<bf16>{x, y, rows, width, g}, 3); }));
  }
}

TEST_CASE("attention stored in tiles is that of rows") {
  for (int heads : {2, 3}) {   // three heads of 32 end within a tile
    attention_problem<32> p{heads, 1, 11, 60};
    CHECK(same_in_tiles(11, heads * 32, 2, [&](global<bf16> y, int g) { on_host(row_attention<bf16, 8, 32>{p.with(y, g)}, 4); }));
    CHECK(same_in_tiles(11, heads * 32, 2, [&](global<bf16> y, int g) {
      on_host(split_attention<bf16, 8, 32>{p.with(y, g)}, 5);
      on_host(merge_attention<bf16, 32>{p.with(y, g), p.positions}, 6);
    }));
  }
  attention_problem<64> p{6, 2, 9, 60};
  CHECK(same_in_tiles(9, 6 * 64, 2, [&](global<bf16> y, int g) { on_host(mma_row_attention<64, 4>{p.with(y, g)}, 7); }));
}
