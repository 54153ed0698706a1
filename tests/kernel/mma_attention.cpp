// Attention on tensor cores, wherever it runs (launches.hpp): near softmax in f64 within what rounding weights to bf16 costs, and bit
// for bit the same by leaf, by row and by shared leaf, for any chunking, company, page size, number of warps and order of threads.
#include <cmath>
#include <cstring>
#include <vector>

#include "launches.hpp"
#include "verbatim/kernel/merge_attention.hpp"
#include "verbatim/kernel/mma_attention_shared.hpp"

using namespace verbatim;
using namespace verbatim::kernel;
using namespace kernel_tests;

namespace {

struct chunk {
  int sequence, first, rows;   ///< positions [first, first + rows)
};
/// What a step gave: outputs of (chunk, row), side by side, and, where leaves were stored, what each leaf that a row sees gave it, in f32.
struct result {
  buffer<bf16> out;
  std::vector<std::vector<float>> leaves;
};
enum class form { split, split_by_one_warp, rows, rows_by_eight_warps, shared };

/// Sequences whose keys, values and queries are functions of (sequence, position, head, dimension) alone; before `common` they are those
/// of sequence 0.
template <int D> struct problem {
  int heads, kv_heads, leaf, window, common;
  float sharpness = 1;   ///< of queries: how far scores lie apart
  enum { noise, ones, spike } kind = noise;   ///< ones: all values are 1; spike: position 127 takes all of the weight, and has a value of -0

  float value(std::uint64_t what, int sequence, int position, int head, int d) const {
    if (kind == ones && what == 2) return 1;
    if (kind == spike && what != 2) return what == 1 ? (position == 127 ? 8.0f : 0.0f) : 4.0f;
    if (kind == spike) return position < 127 ? -1.0f : position == 127 ? -0.0f : 1.0f;
    std::uint64_t x = what * 64 + std::uint64_t(position < common ? 0 : sequence);
    x = (x * 4096 + std::uint64_t(position)) * 4096 + std::uint64_t(head * D + d) + 1;
    for (int i = 0; i < 2; ++i) x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u, x ^= x >> 32;
    return to_float(to_bf16((float(x >> 40) / float(1 << 24) - 0.5f) * 3));
  }
  float query(int sequence, int position, int head, int d) const {
    return to_float(to_bf16(value(4 + std::uint64_t(sequence), sequence, position, head, d) * sharpness));
  }

  int begin_of(int position) const { return window > 0 ? std::max(0, position + 1 - window) : 0; }

  /// Chunks, run together as one step. Samples: they share pages before `common`.
  result attend(std::vector<chunk> const& chunks, int page, form how, std::uint64_t seed, bool samples = false) const {
    int const count = int(chunks.size());
    int total = 0, most = 0, furthest = 0;
    buffer<int> first_row, rows, first_position, positions;
    for (auto const& c : chunks) {
      first_row.push_back(total), rows.push_back(c.rows), first_position.push_back(c.first);
      for (int r = 0; r < c.rows; ++r) positions.push_back(c.first + r);
      total += c.rows, most = std::max(most, c.rows), furthest = std::max(furthest, c.first + c.rows);
    }
    // Pages are scattered; what no token was written to, and the ids of what no row sees, are of no use.
    int const pages_each = (furthest + page - 1) / page + 1, unseen = 1 << 28;
    buffer<int> pages(std::size_t(count * pages_each), unseen);
    std::size_t const cells = std::size_t(count * pages_each * page * kv_heads * D);
    buffer<bf16> keys(cells, to_bf16(NAN)), values = keys, q(std::size_t(total * heads * D)), out(q.size(), to_bf16(99));
    paged_kv<bf16> const kv{{keys.data(), cells}, {values.data(), cells}, page, kv_heads, D};
    std::vector<decoding_sequence> of;
    for (int c = 0; c < count; ++c) {
      chunk const& at = chunks[std::size_t(c)];
      int* const mine = pages.data() + c * pages_each;
      for (int p = 0; p < at.first + at.rows; ++p) {
        bool const shared = samples && (p / page + 1) * page <= common, seen = p >= begin_of(at.first);
        if (shared || seen) mine[p / page] = (shared ? 0 : c * pages_each) + pages_each - 1 - p / page;
        for (int h = 0; seen && h < kv_heads; ++h)
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
    auto const ints = [](buffer<int> const& v) { return span_of(v); };
    int const max_leaves = (furthest + leaf - 1) / leaf + 1;   // one more than needed, as under a graph
    buffer<float> partial(std::size_t(total * heads * max_leaves * (D + 2)), NAN);
    attention_params<bf16> const p{{q.data(), q.size()}, span_of(out), kv, {ints(first_row), ints(rows), ints(first_position), ints(pages), count, pages_each},
                                   heads, total, leaf, window, most, max_leaves, span_of(partial)};
    if (how == form::rows) launch(mma_row_attention<D>{p}, seed);
    if (how == form::rows_by_eight_warps) launch(mma_row_attention<D, 8, 3>{p}, seed);
    if (how == form::split) launch(mma_split_attention<D>{p, {}}, seed);
    if (how == form::split_by_one_warp) launch(mma_split_attention<D, 1, 2>{p, {}}, seed);
    if (how == form::shared) {
      buffer<shared_run> runs(of.size() + 1);   // one more than needed
      buffer<int> members(of.size()), leaves_of(of.size());
      runs.resize(std::size_t(find_shared_prefixes(of.data(), count, page, leaf, runs.data(), members.data(), leaves_of.data())) + 1);
      REQUIRE(runs.size() > 1);
      global<shared_run const> const all{runs.data(), runs.size()};
      launch(mma_shared_attention<D>{p, all, ints(members), count}, seed);
      launch(mma_split_attention<D>{p, ints(leaves_of)}, seed + 1);
    }
    if (how != form::rows && how != form::rows_by_eight_warps) launch(merge_attention<bf16, D>{p, ints(positions)}, seed);
    result r{out, {}};
    if (how == form::rows || how == form::rows_by_eight_warps) return r;
    for (int row = 0; row < total; ++row)
      for (int h = 0; h < heads; ++h)
        for (int l = begin_of(positions[std::size_t(row)]) / leaf; l * leaf <= positions[std::size_t(row)]; ++l) {
          auto const at = partial.begin() + std::ptrdiff_t((row * heads + h) * max_leaves + l) * (D + 2);
          r.leaves.emplace_back(at, at + D + 2);
        }
    return r;
  }

  /// How far `got` is from softmax in f64, in units of what rounding of weights and of the result to bf16, and sums in f32, may cost.
  double error(int sequence, int position, int head, bf16 const* got) const {
    int const kv_head = head / (heads / kv_heads), begin = begin_of(position);
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

template <class T, class A> bool same(std::vector<T, A> const& a, std::vector<T, A> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}
bool same(std::vector<std::vector<float>> const& a, std::vector<std::vector<float>> const& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](auto const& x, auto const& y) { return same(x, y); });
}

/// Sequences from their first token on: what rows of chunks of them have to give.
template <int D> struct expectation {
  problem<D> const& p;
  std::vector<result> whole{};

  void add(int sequence, int length) {
    chunk const all{sequence, 0, length};
    whole.push_back(p.attend({all}, 16, form::split, 0));
    CHECK(same(whole.back().out, p.attend({all}, 16, form::rows, 0).out));
  }
  /// Whether a step of them gives these bits.
  bool holds(std::vector<chunk> const& chunks, int page, form how, std::uint64_t seed, bool samples = false) const {
    result expected;
    for (auto const& c : chunks)
      for (int position = c.first; position < c.first + c.rows; ++position) {
        result const& w = whole[std::size_t(c.sequence)];
        auto const out = w.out.begin() + std::ptrdiff_t(position * p.heads * D);
        expected.out.insert(expected.out.end(), out, out + std::ptrdiff_t(p.heads * D));
        int before = 0, of_row = 0;
        for (int at = 0; at <= position; ++at) before += of_row, of_row = (at / p.leaf - p.begin_of(at) / p.leaf + 1) * p.heads;
        expected.leaves.insert(expected.leaves.end(), w.leaves.begin() + before, w.leaves.begin() + before + of_row);
      }
    result const got = p.attend(chunks, page, how, seed, samples);
    return same(got.out, expected.out) && (got.leaves.empty() || same(got.leaves, expected.leaves));
  }
};

/// Sequence 0 of `length` tokens, and others that part from it at `common`.
template <int D> void check(problem<D> const& p, int length) {
  int const samples = p.leaf == 64 ? 6 : 3, others = std::min(length, p.common + p.leaf + 9);
  expectation<D> expected{p};
  for (int s = 0; s < samples; ++s) expected.add(s, s == 0 ? length : others);
  double worst = 0;
  for (int position : {0, 1, 17, 63, 64, p.leaf - 1, p.leaf, length - 1})
    for (int h = 0; h < p.heads && position < length; ++h) worst = std::max(worst, p.error(0, position, h, expected.whole[0].out.data() + (position * p.heads + h) * D));
  INFO("worst error " << worst << " of the bound");
  CHECK(worst <= 1);

  int const end = length - 1;
  CHECK(expected.holds({{0, 0, length}}, 64, form::rows_by_eight_warps, 1));
  std::vector<chunk> const pieces{{1, 3, 30}, {0, p.leaf - 2, 4}, {0, 1, 7}, {0, 40, end - 40}};
  CHECK(expected.holds(pieces, 48, form::rows, 3));
  CHECK(expected.holds(pieces, 16, form::split_by_one_warp, 4));
  std::vector<chunk> const decode{{0, end, 1}, {1, others - 1, 1}, {0, p.leaf, 1}, {0, 0, 1}, {0, 62, 1}, {0, 64, 1}};
  for (int page : {16, 64}) {
    CHECK(expected.holds(decode, page, form::split, std::uint64_t(page)));
    CHECK(expected.holds({decode[0]}, page, form::split, std::uint64_t(page)));
    CHECK(expected.holds(decode, page, form::rows, std::uint64_t(page)));
  }
  std::vector<chunk> branches;
  for (int s = 0; s < samples; ++s) branches.push_back({s, std::min(others - 1 - s, length - 1), 1});
  branches.push_back({0, p.leaf, 1});       // shares less
  branches.push_back({0, p.leaf - 2, 1});   // has no whole leaf
  for (int page : {16, 64}) {
    CHECK(expected.holds(branches, page, form::split, 7, true));
    CHECK(expected.holds(branches, page, form::shared, 8, true));
  }
}

/// As much of a leaf as merging needs.
struct made_leaf {
  static constexpr int column_blocks = 2;
  float maximum[2], total[2], values[2][4];
  float maximum_of(int h) const { return maximum[h]; }
  float sum_of(int h) const { return total[h]; }
  float value_of(int n, int e) const { return values[n][e]; }
};

}  // namespace

TEST_CASE("attention on tensor cores: exact within bounds, and the same bits in every form; leaves of 64, head_dim 64") {
  if (!can_launch()) return;
  check(problem<64>{.heads = 6, .kv_heads = 2, .leaf = 64, .window = 0, .common = 130}, 150);
  check(problem<64>{.heads = 4, .kv_heads = 1, .leaf = 64, .window = 75, .common = 128, .sharpness = 4}, 140);
  check(problem<64>{.heads = 20, .kv_heads = 1, .leaf = 64, .window = 0, .common = 64}, 70);   // a row fills more than a tile
}

TEST_CASE("attention on tensor cores: exact within bounds, and the same bits in every form; leaves of 256, head_dim 128") {
  if (!can_launch()) return;
  check(problem<128>{.heads = 2, .kv_heads = 1, .leaf = 256, .window = 0, .common = 256}, 290);
  check(problem<128>{.heads = 3, .kv_heads = 3, .leaf = 256, .window = 100, .common = 256, .sharpness = 13}, 262);
}

TEST_CASE("attention on tensor cores: batches may be large, and prompts long") {
  attention_params<bf16> p{};
  p.heads = 32, p.kv.kv_heads = 4, p.rows = p.of.count = 4096, p.leaf = 256, p.max_rows = 1, p.max_leaves = 16;
  auto const fits = [](launch_shape s) { return s.x > 0 && s.y <= simt::most_blocks && s.z <= simt::most_blocks; };
  CHECK(fits(shape_of(mma_shared_attention<128>{p, {nullptr, 2048}, {}, 4096})));
  CHECK(fits(shape_of(mma_split_attention<128>{p, {}})));
  CHECK(fits(shape_of(merge_attention<bf16, 128>{p, {}})));
  p.of.count = 2, p.max_rows = 1 << 20;
  CHECK(fits(shape_of(mma_row_attention<128, 8>{p})));
}

TEST_CASE("attention on tensor cores: rounded weights add up to one") {
  if (!can_launch()) return;
  problem<64> const p{.heads = 2, .kv_heads = 1, .leaf = 64, .window = 0, .common = 0, .sharpness = 0.3f, .kind = problem<64>::ones};
  auto const out = p.attend({{0, 0, 150}}, 16, form::rows, 0).out;
  for (std::size_t i = 32 * 2 * 64; i < out.size(); ++i) REQUIRE(to_float(out[i]) == 1);
}

TEST_CASE("attention on tensor cores: what is scaled to nothing leaves a zero without a sign") {
  if (!can_launch()) return;
  problem<64> const p{.heads = 1, .kv_heads = 1, .leaf = 256, .window = 0, .common = 0, .kind = problem<64>::spike};
  auto const together = p.attend({{0, 120, 20}}, 16, form::split, 0).leaves[7], alone = p.attend({{0, 127, 1}}, 16, form::split, 0).leaves[0];
  for (std::size_t d = 0; d < 64; ++d) {
    CHECK(bits_as<std::uint32_t>(together[d]) == 0);
    CHECK(bits_as<std::uint32_t>(alone[d]) == 0);
  }
}

TEST_CASE("leaves merge in a tile as they do one by one, f32 bits") {
  std::uint32_t seed = 1;
  auto const number = [&] { return float((seed = seed * 1664525u + 1013904223u) >> 8) / float(1 << 24) - 0.5f; };
  running_tile<made_leaf> tile;
  running_leaves one[2][4];
  for (int i = 0; i < 100; ++i) {
    made_leaf leaf{};
    for (int h = 0; h < 2; ++h) {
      bool const seen = number() > -0.3f;
      leaf.maximum[h] = seen ? 30 * number() : -INFINITY, leaf.total[h] = seen ? 1 + number() : 0;
      for (int n = 0; n < 2; ++n) leaf.values[n][2 * h] = number(), leaf.values[n][2 * h + 1] = number();
    }
    tile.merge(leaf);
    for (int n = 0; n < 2; ++n)
      for (int e = 0; e < 4; ++e) {
        one[n][e].merge(leaf.maximum[e / 2], leaf.total[e / 2], leaf.values[n][e]);
        REQUIRE(tile.value[n][e] == one[n][e].value);
        REQUIRE(tile.total[e / 2] == one[n][e].total);
        REQUIRE(tile.maximum[e / 2] == one[n][e].maximum);
      }
  }
}
