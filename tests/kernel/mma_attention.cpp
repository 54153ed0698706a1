// Attention on tensor cores under the host executor: near softmax in f64 within what rounding weights to bf16 costs, and bit for bit
// the same by leaf, by row and by shared leaf, for any chunking, company, page size, number of warps and order of threads.
#include <cmath>
#include <cstring>
#include <vector>

#include "catch.hpp"
#include "verbatim/kernel/mma_attention_shared.hpp"
#include "verbatim/simt/host_grid.hpp"

using namespace verbatim;
using namespace verbatim::kernel;

namespace {

template <class Params> void on_host(Params const& p, std::uint64_t seed) {
  simt::launch(shape_of(p), [&](simt::host_grid g) { run(g, p); }, seed);
}

struct chunk {
  int sequence, first, rows;   ///< positions [first, first + rows)
};
enum class form { split, split_by_one_warp, rows, rows_by_eight_warps, shared };

/// Sequences whose keys, values and queries are functions of (sequence, position, head, dimension) alone; before `common` they are those
/// of sequence 0.
template <int D> struct problem {
  int heads, kv_heads, leaf, window, common;
  float sharpness = 1;   ///< of queries: how far scores lie apart
  bool ones = false;     ///< all values are 1

  float value(std::uint64_t what, int sequence, int position, int head, int d) const {
    if (what == 2 && ones) return 1;
    std::uint64_t x = what * 64 + std::uint64_t(position < common ? 0 : sequence);
    x = (x * 4096 + std::uint64_t(position)) * 4096 + std::uint64_t(head * D + d) + 1;
    for (int i = 0; i < 2; ++i) x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u, x ^= x >> 32;
    return to_float(to_bf16((float(x >> 40) / float(1 << 24) - 0.5f) * 3));
  }
  float query(int sequence, int position, int head, int d) const {
    return to_float(to_bf16(value(4 + std::uint64_t(sequence), sequence, position, head, d) * sharpness));
  }

  /// The outputs of chunks, run together as one step: a vector per (chunk, row), side by side. Samples: they share pages before `common`.
  std::vector<bf16> attend(std::vector<chunk> const& chunks, int page, form how, std::uint64_t seed, bool samples = false) const {
    int const count = int(chunks.size());
    int total = 0, most = 0, furthest = 0;
    std::vector<int> first_row, rows, first_position, positions;
    for (auto const& c : chunks) {
      first_row.push_back(total), rows.push_back(c.rows), first_position.push_back(c.first);
      for (int r = 0; r < c.rows; ++r) positions.push_back(c.first + r);
      total += c.rows, most = std::max(most, c.rows), furthest = std::max(furthest, c.first + c.rows);
    }
    // Pages are scattered; what no token was written to, and the ids of what no row sees, are of no use.
    int const pages_each = (furthest + page - 1) / page + 1, unseen = 1 << 28;
    std::vector<int> pages(std::size_t(count * pages_each), unseen);
    std::size_t const cells = std::size_t(count * pages_each * page * kv_heads * D);
    std::vector<bf16> keys(cells, to_bf16(NAN)), values = keys, q(std::size_t(total * heads * D)), out(q.size(), to_bf16(99));
    paged_kv<bf16> const kv{{keys.data(), cells}, {values.data(), cells}, page, kv_heads, D};
    std::vector<decoding_sequence> of;
    for (int c = 0; c < count; ++c) {
      chunk const& at = chunks[std::size_t(c)];
      int* const mine = pages.data() + c * pages_each;
      for (int p = window > 0 ? std::max(0, at.first + 1 - window) : 0; p < at.first + at.rows; ++p) {
        bool const shared = samples && (p / page + 1) * page <= common;
        mine[p / page] = (shared ? 0 : c * pages_each) + pages_each - 1 - p / page;
        for (int h = 0; h < kv_heads; ++h)
          for (int d = 0; d < D; ++d) {
            std::size_t const cell = kv.at(mine[p / page], h, p % page) + std::size_t(d);
            keys[cell] = to_bf16(value(1, at.sequence, p, h, d)), values[cell] = to_bf16(value(2, at.sequence, p, h, d));
          }
      }
      for (int r = 0; r < at.rows; ++r)
        for (int h = 0; h < heads; ++h)
          for (int d = 0; d < D; ++d)
            q[std::size_t(((first_row[std::size_t(c)] + r) * heads + h) * D + d)] = to_bf16(query(at.sequence, at.first + r, h, d));
      of.push_back({mine, at.first + at.rows});
    }
    auto const span = [](auto& v) { return global<std::remove_reference_t<decltype(v[0])>>{v.data(), v.size()}; };
    auto const ints = [](std::vector<int> const& v) { return global<int const>{v.data(), v.size()}; };
    int const max_leaves = (furthest + leaf - 1) / leaf + 1;   // one more than needed, as under a graph
    std::vector<float> partial(std::size_t(total * heads * max_leaves * (D + 2)), NAN);
    attention_params<bf16> const p{{q.data(), q.size()}, span(out), kv, {ints(first_row), ints(rows), ints(first_position), ints(pages), count, pages_each},
                                   heads, total, leaf, window, most, max_leaves, span(partial)};
    if (how == form::rows) on_host(mma_row_attention<D>{p}, seed);
    if (how == form::rows_by_eight_warps) on_host(mma_row_attention<D, 8, 3>{p}, seed);
    if (how == form::split) on_host(mma_split_attention<D>{p, {}}, seed);
    if (how == form::split_by_one_warp) on_host(mma_split_attention<D, 1, 2>{p, {}}, seed);
    if (how == form::shared) {
      std::vector<shared_run> runs(of.size() + 1);   // one more than needed
      std::vector<int> members(of.size()), leaves_of(of.size());
      runs.resize(std::size_t(find_shared_prefixes(of.data(), count, page, leaf, runs.data(), members.data(), leaves_of.data())) + 1);
      REQUIRE(runs.size() > 1);
      global<shared_run const> const all{runs.data(), runs.size()};
      on_host(mma_shared_attention<D>{p, all, ints(members), count}, seed);
      on_host(mma_split_attention<D>{p, ints(leaves_of)}, seed + 1);
    }
    if (how != form::rows && how != form::rows_by_eight_warps) on_host(merge_attention<bf16, D>{p, ints(positions)}, seed);
    return out;
  }

  /// How far `got` is from softmax in f64, in units of what rounding of weights and of the result to bf16, and sums in f32, may cost.
  double error(int sequence, int position, int head, bf16 const* got) const {
    int const kv_head = head / (heads / kv_heads), begin = window > 0 ? std::max(0, position + 1 - window) : 0;
    std::vector<double> s;
    double top = -1e300, total = 0, magnitude = 0, worst = 0;
    for (int j = begin; j <= position; ++j) {
      double dot = 0, absolute = 0;
      for (int d = 0; d < D; ++d) {
        double const x = double(query(sequence, position, head, d)) * double(value(1, sequence, j, kv_head, d));
        dot += x, absolute += std::abs(x);
      }
      s.push_back(dot / std::sqrt(double(D)));
      top = std::max(top, s.back()), magnitude = std::max(magnitude, absolute / std::sqrt(double(D)));
    }
    for (double& x : s) total += x = std::exp(x - top);
    for (int c = 0; c < D; ++c) {
      double exact = 0, absolute = 0;
      for (int j = begin; j <= position; ++j) {
        double const v = double(value(2, sequence, j, kv_head, c));
        exact += s[std::size_t(j - begin)] * v, absolute += s[std::size_t(j - begin)] * std::abs(v);
      }
      exact /= total, absolute /= total;
      double const of_sums = (D / 16 + 8) * magnitude * 0x1p-23 + 64 * 0x1p-23;
      worst = std::max(worst, std::abs(double(to_float(got[c])) - exact) / ((0x1p-8 + of_sums) * absolute + 0x1p-8 * std::abs(exact)));
    }
    return worst;
  }
};

bool same(std::vector<bf16> const& a, std::vector<bf16> const& b) { return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(bf16)) == 0; }

/// Rows of `whole`, the output of sequences from their first token on, that chunks are about.
template <int D> std::vector<bf16> rows_of(problem<D> const& p, std::vector<std::vector<bf16>> const& whole, std::vector<chunk> const& chunks) {
  std::vector<bf16> v;
  std::size_t const row = std::size_t(p.heads * D);
  for (auto const& c : chunks) {
    auto const from = whole[std::size_t(c.sequence)].begin() + std::ptrdiff_t(std::size_t(c.first) * row);
    v.insert(v.end(), from, from + std::ptrdiff_t(std::size_t(c.rows) * row));
  }
  return v;
}

/// Sequence 0 of `length` tokens, and others that part from it at `common`.
template <int D> void check(problem<D> const& p, int length) {
  int const samples = p.leaf == 64 ? 6 : 3, others = std::min(length, p.common + p.leaf + 9);
  std::vector<std::vector<bf16>> whole;
  for (int s = 0; s < samples; ++s) whole.push_back(p.attend({{s, 0, s == 0 ? length : others}}, 16, form::rows, 0));
  double worst = 0;
  for (int position : {0, 1, 17, 63, 64, p.leaf - 1, p.leaf, length - 1})
    for (int h = 0; h < p.heads && position < length; ++h) worst = std::max(worst, p.error(0, position, h, whole[0].data() + (position * p.heads + h) * D));
  INFO("worst error " << worst << " of the bound");
  CHECK(worst <= 1);
  auto const holds = [&](std::vector<chunk> const& chunks, int page, form how, std::uint64_t seed) {
    return same(p.attend(chunks, page, how, seed), rows_of(p, whole, chunks));
  };

  int const end = length - 1;
  CHECK(holds({{0, 0, length}}, 64, form::rows_by_eight_warps, 1));
  CHECK(holds({{0, 0, length}}, 16, form::split, 2));
  std::vector<chunk> const pieces{{1, 3, 30}, {0, p.leaf - 2, 4}, {0, 1, 7}, {0, 40, end - 40}};
  CHECK(holds(pieces, 48, form::rows, 3));
  CHECK(holds(pieces, 16, form::split_by_one_warp, 4));
  std::vector<chunk> const decode{{0, end, 1}, {1, others - 1, 1}, {0, p.leaf, 1}, {0, 0, 1}, {0, 62, 1}, {0, 64, 1}};
  for (int page : {16, 64}) {
    CHECK(holds(decode, page, form::split, std::uint64_t(page)));
    CHECK(holds({decode[0]}, page, form::split, std::uint64_t(page)));
    CHECK(holds(decode, page, form::rows, std::uint64_t(page)));
  }
  std::vector<chunk> branches;
  for (int s = 0; s < samples; ++s) branches.push_back({s, std::min(others - 1 - s, length - 1), 1});
  branches.push_back({0, p.leaf, 1});       // shares less
  branches.push_back({0, p.leaf - 2, 1});   // has no whole leaf
  for (int page : {16, 64}) {
    auto const expected = rows_of(p, whole, branches);
    CHECK(same(p.attend(branches, page, form::split, 7, true), expected));
    CHECK(same(p.attend(branches, page, form::shared, 8, true), expected));
  }
}

}  // namespace

TEST_CASE("attention on tensor cores: exact within bounds, and the same bits in every form; leaves of 64, head_dim 64") {
  check(problem<64>{.heads = 6, .kv_heads = 2, .leaf = 64, .window = 0, .common = 130}, 150);
  check(problem<64>{.heads = 4, .kv_heads = 1, .leaf = 64, .window = 70, .common = 128, .sharpness = 4}, 140);
  check(problem<64>{.heads = 20, .kv_heads = 1, .leaf = 64, .window = 0, .common = 64}, 70);   // a row fills more than a tile
}

TEST_CASE("attention on tensor cores: exact within bounds, and the same bits in every form; leaves of 256, head_dim 128") {
  check(problem<128>{.heads = 2, .kv_heads = 1, .leaf = 256, .window = 0, .common = 256}, 290);
  check(problem<128>{.heads = 3, .kv_heads = 3, .leaf = 256, .window = 100, .common = 256, .sharpness = 13}, 262);
}

TEST_CASE("attention on tensor cores: rounded weights add up to one") {
  problem<64> const p{.heads = 2, .kv_heads = 1, .leaf = 64, .window = 0, .common = 0, .sharpness = 0.3f, .ones = true};
  auto const out = p.attend({{0, 0, 150}}, 16, form::rows, 0);
  for (std::size_t i = 32 * 2 * 64; i < out.size(); ++i) REQUIRE(to_float(out[i]) == 1);
}

TEST_CASE("prefixes that sequences share are found, whole leaves only, most leaves first") {
  int const a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 2, 3, 4, 9, 9}, c[] = {7, 8, 3, 4, 5, 6}, d[] = {1, 2, 3, 4, 5, 6}, e[] = {1, 2, 0, 4, 0, 0};
  decoding_sequence const of[] = {{c, 96}, {a, 96}, {e, 50}, {b, 70}, {d, 95}, {a, 31}};   // the last has no whole leaf
  shared_run runs[6];
  int members[6], leaves_of[6];
  REQUIRE(find_shared_prefixes(of, 6, 16, 32, runs, members, leaves_of) == 2);
  CHECK(std::vector<int>(leaves_of, leaves_of + 6) == std::vector<int>{0, 2, 1, 2, 2, 0});
  CHECK(std::vector<int>(members, members + 4) == std::vector<int>{1, 3, 4, 2});
  CHECK((runs[0].first_leaf == 0 && runs[0].end_leaf == 1 && runs[0].first == 0 && runs[0].count == 4));
  CHECK((runs[1].first_leaf == 1 && runs[1].end_leaf == 2 && runs[1].first == 0 && runs[1].count == 3));
  CHECK(find_shared_prefixes(of, 6, 64, 32, runs, members, leaves_of) == 0);   // a page that spans leaves
}
