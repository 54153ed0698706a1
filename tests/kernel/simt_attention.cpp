// Attention kernels, wherever they run (launches.hpp): near softmax in f64, and bit for bit the same by leaf and by row, for any batch,
// chunking, page size, number of queries in a block and order of threads; with windows and with groups that fill no block.
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "launches.hpp"
#include "verbatim/kernel/merge_attention.hpp"

using namespace verbatim;
using namespace verbatim::kernel;
using namespace kernel_tests;

namespace {

struct chunk {
  int sequence, first, rows;   ///< positions [first, first + rows)
};

/// Two sequences whose keys, values and queries are functions of (sequence, position, head, dimension) alone.
template <class T, int D> struct problem {
  int heads, kv_heads, leaf, window, length[2];

  float value(std::uint32_t what, int sequence, int position, int head, int d) const {
    std::mt19937 random(what * 7919u + std::uint32_t(((sequence * 1024 + position) * 16 + head) * D + d));
    random.discard(3);
    return to_float(from_float<T>((float(random() >> 8) / float(1 << 24) - 0.5f) * 3));
  }

  /// The outputs of chunks, run together as one step: a vector per (chunk, row), side by side.
  template <int Queries> buffer<T> attend(std::vector<chunk> const& chunks, int page, bool split, std::uint64_t seed) const {
    int const count = int(chunks.size()), pages_each = (std::max(length[0], length[1]) + page - 1) / page;
    buffer<int> first_row, rows, first_position, positions, pages(std::size_t(count * pages_each));
    int total = 0, most = 0, furthest = 0;
    for (auto const& c : chunks) {
      first_row.push_back(total), rows.push_back(c.rows), first_position.push_back(c.first);
      for (int r = 0; r < c.rows; ++r) positions.push_back(c.first + r);
      total += c.rows, most = std::max(most, c.rows), furthest = std::max(furthest, c.first + c.rows);
    }
    // Each chunk has pages of its own, scattered; what no token was written to is NaN.
    std::size_t const cells = std::size_t(count * pages_each * page * kv_heads * D);
    buffer<T> keys(cells, from_float<T>(NAN)), values = keys, q(std::size_t(total * heads * D)), out(q.size(), from_float<T>(99));
    paged_kv<T> const kv{{keys.data(), cells}, {values.data(), cells}, page, kv_heads, D};
    for (int i = 0; i < count * pages_each; ++i) pages[std::size_t(i)] = count * pages_each - 1 - i;
    for (int c = 0; c < count; ++c) {
      chunk const& at = chunks[std::size_t(c)];
      for (int p = 0; p < at.first + at.rows; ++p)
        for (int h = 0; h < kv_heads; ++h)
          for (int d = 0; d < D; ++d) {
            std::size_t const cell = kv.at(pages[std::size_t(c * pages_each + p / page)], h, p % page) + std::size_t(d);
            keys[cell] = from_float<T>(value(1, at.sequence, p, h, d)), values[cell] = from_float<T>(value(2, at.sequence, p, h, d));
          }
      for (int r = 0; r < at.rows; ++r)
        for (int h = 0; h < heads; ++h)
          for (int d = 0; d < D; ++d)
            q[std::size_t(((first_row[std::size_t(c)] + r) * heads + h) * D + d)] = from_float<T>(value(3, at.sequence, at.first + r, h, d));
    }
    auto const ints = [](buffer<int> const& v) { return span_of(v); };
    int const max_leaves = (furthest + leaf - 1) / leaf + 1;   // one more than needed, as under a graph
    buffer<float> partial(std::size_t(total * heads * max_leaves * (D + 2)), NAN);
    attention_params<T> const p{{q.data(), q.size()}, span_of(out), kv, {ints(first_row), ints(rows), ints(first_position), ints(pages), count, pages_each},
                                heads, total, leaf, window, most, max_leaves, span_of(partial)};
    if (split) {
      launch(split_attention<T, Queries, D>{p}, seed);
      launch(merge_attention<T, D>{p, ints(positions)}, seed);
    } else {
      launch(row_attention<T, Queries, D>{p}, seed);
    }
    return out;
  }

  double exact(int sequence, int position, int head, int column) const {
    int const kv_head = head / (heads / kv_heads), begin = window > 0 ? std::max(0, position + 1 - window) : 0;
    std::vector<double> s;
    double top = -1e300, total = 0, sum = 0;
    for (int j = begin; j <= position; ++j) {
      double dot = 0;
      for (int d = 0; d < D; ++d) dot += double(value(3, sequence, position, head, d)) * double(value(1, sequence, j, kv_head, d));
      s.push_back(dot / std::sqrt(double(D)));
      top = std::max(top, s.back());
    }
    for (int j = begin; j <= position; ++j) {
      double const w = std::exp(s[std::size_t(j - begin)] - top);
      total += w, sum += w * double(value(2, sequence, j, kv_head, column));
    }
    return sum / total;
  }
};

template <class T, int D> void check(problem<T, D> const& p, double bound) {
  std::vector<chunk> const whole{{0, 0, p.length[0]}, {1, 0, p.length[1]}};
  auto const expected = p.template attend<8>(whole, 16, false, 0);
  std::size_t const row = std::size_t(p.heads * D);
  double worst = 0;
  for (int position : {0, 1, p.leaf - 1, p.leaf, p.length[0] - 1})
    for (int h = 0; h < p.heads; ++h)
      for (int c = 0; c < D; c += 13)
        worst = std::max(worst, std::abs(p.exact(0, position, h, c) - double(to_float(expected[std::size_t(position) * row + std::size_t(h * D + c)]))));
  INFO("worst error " << worst);
  CHECK(worst <= bound);
  auto const same = [&](buffer<T> const& got, std::vector<chunk> const& chunks) {
    std::size_t at = 0;
    for (auto const& c : chunks) {
      std::size_t const from = std::size_t((c.sequence ? p.length[0] : 0) + c.first) * row, n = std::size_t(c.rows) * row;
      if (std::memcmp(got.data() + at, expected.data() + from, n * sizeof(T))) return false;
      at += n;
    }
    return at == got.size();
  };
  CHECK(same(p.template attend<8>(whole, 5, false, 1), whole));
  CHECK(same(p.template attend<8>(whole, 16, true, 2), whole));
  int const end0 = p.length[0] - 1, end1 = p.length[1] - 1;
  std::vector<chunk> const decode{{0, end0, 1}, {1, end1, 1}, {0, p.leaf, 1}, {0, 0, 1}}, alone{{0, end0, 1}};
  for (int page : {1, 7, 64}) {
    CHECK(same(p.template attend<4>(decode, page, true, std::uint64_t(page)), decode));
    CHECK(same(p.template attend<8>(alone, page, true, std::uint64_t(page)), alone));
  }
  std::vector<chunk> const chunked{{1, 3, 5}, {0, p.leaf - 2, 4}, {0, 1, 7}};
  CHECK(same(p.template attend<4>(chunked, 3, false, 4), chunked));
  CHECK(same(p.template attend<4>(chunked, 32, true, 5), chunked));
  CHECK(same(p.template attend<16>(chunked, 8, false, 6), chunked));
}

}  // namespace

TEST_CASE("attention by leaf and by row: exact within bounds, and the same bits however it was batched, f32") {
  if (!can_launch()) return;
  check(problem<float, 32>{4, 2, 16, 0, {41, 13}}, 2e-6);
  check(problem<float, 32>{3, 1, 32, 20, {70, 9}}, 2e-6);   // a window that begins within a leaf
}

TEST_CASE("attention by row: prompts may be long") {
  attention_params<float> p{};
  p.heads = 32, p.kv.kv_heads = 8, p.of.count = 4, p.leaf = 256, p.max_rows = 1 << 20;
  auto const shape = shape_of(row_attention<float, 8, 128>{p});
  CHECK((shape.y <= simt::most_blocks && shape.z <= simt::most_blocks && shape.x == 4 * 8 * (1 << 19)));
}

TEST_CASE("attention by leaf and by row: exact within bounds, and the same bits however it was batched, bf16") {
  if (!can_launch()) return;
  check(problem<bf16, 64>{6, 2, 32, 0, {37, 11}}, 0x1p-8);   // results are below 1.5: half a unit of bf16
}
