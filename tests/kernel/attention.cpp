// Attention over shared leaves against each sequence for itself, bit for bit, on a step in which leaves are shared; and over keys
// and values that are decoded, against the same values stored as they are.
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "catch.hpp"
#include "verbatim/backend/cpu/attention.hpp"

using namespace verbatim;
using namespace verbatim::cpu;

namespace {

constexpr int page = 16, leaf = 64, heads = 6, kv_heads = 2, pages = 64, layers = 2, layer = 1;

/// A step of decoding sequences with some leaves in common, and a prompt's chunk, over a store that is filled with noise.
template <class T> struct problem {
  problem(int head_dim, kv_format format) : kv(layers, pages, page, kv_heads, head_dim, format), head_dim(head_dim) {
    config.heads = heads, config.kv_heads = kv_heads, config.head_dim = head_dim;
    limits = {.tokens = 64, .slices = 8, .outputs = 8, .pages = pages, .page = page, .threads = 2};
    std::mt19937 random{unsigned(head_dim)};
    std::vector<T> key(std::size_t(head_dim), T{}), value = key;
    auto const fill = [&](std::vector<T>& v) { for (T& x : v) x = from_float<T>(float(int(random() % 2001) - 1000) / 500); };
    for (int p = 0; p < pages; ++p)
      for (int o = 0; o < page; ++o)
        for (int h = 0; h < kv_heads; ++h) fill(key), fill(value), kv.append(layer, p, h, o, key.data(), value.data());
    for (int i = 0; i < 20; ++i) tables[0].push_back(i);                                             // the prompt that others continue
    for (int n : {12, 8, 20, 3}) tables.emplace_back(tables[0].begin(), tables[0].begin() + n);
    for (std::size_t i = 1, next = 20; i < tables.size(); ++i)
      for (int more = 0; more < 6; ++more) tables[i].push_back(int(next++));
    int const ends[] = {300, 250, 130, 399, 60};   // 60: no whole leaf
    for (int i = 0; i < 5; ++i) slices.push_back({i, 1, ends[i] - 1, tables[std::size_t(i)].data()});
    slices.push_back({5, 7, 100, tables[0].data()});
    q.resize(12 * std::size_t(heads * head_dim)), fill(q);
    s.tokens = 12, s.slices = int(slices.size()), s.slice_of = slices.data();
  }
  template <class Isa, class Part> std::vector<T> attend(kv_store<T> const& store, int window) {
    pool threads(2);
    typename Part::template kernel<Isa, T> run(store, config, limits, leaf);
    std::vector<T> out(q.size());
    std::size_t const columns = std::size_t(heads * head_dim);
    run.begin(s);
    run(threads, {q.data(), 12, int(columns), columns}, {out.data(), 12, int(columns), columns}, layer, window);
    return out;
  }
  kv_store<T> kv;
  int head_dim;
  model_config config;
  ops_limits limits;
  std::vector<std::vector<int>> tables{1};
  std::vector<slice> slices;
  std::vector<T> q;
  step s{};
};

template <class T> bool same(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class Isa, class T> void check() {
  if constexpr (compiled_for<Isa>)
    for (int head_dim : {16, 40, 64})
      for (auto format : {kv_format::activations, kv_format::int8}) {
        CAPTURE(Isa::name, sizeof(T), head_dim, name_of(format));
        problem<T> p(head_dim, format);
        shared_leaves found(p.limits, leaf, heads, p.kv.width());
        found.begin(p.s);
        REQUIRE(found.units().size() == 4);   // leaves 0 and 1 of four sequences, 2 of three, 3 of two
        REQUIRE(found.leaves_of(3) == 4);
        auto const alone = p.template attend<Isa, separate_attention>(p.kv, 0), together = p.template attend<Isa, leaf_attention>(p.kv, 0);
        CHECK(same(alone, together));
        CHECK(same(p.template attend<Isa, separate_attention>(p.kv, 90), p.template attend<Isa, leaf_attention>(p.kv, 90)));
        CHECK_FALSE(same(alone, p.template attend<Isa, separate_attention>(p.kv, 90)));
        p.q[0] = from_float<T>(to_float(p.q[0]) + 1);   // it is looked at
        CHECK_FALSE(same(alone, p.template attend<Isa, leaf_attention>(p.kv, 0)));
      }
}

/// The same store with the values that codes stand for.
template <class Isa, class T> void check_decoded(kv_format format) {
  for (int head_dim : {16, 40, 64}) {
    CAPTURE(head_dim, name_of(format));
    problem<T> p(head_dim, format);
    kv_store<T> plain(layers, pages, page, kv_heads, head_dim);
    std::vector<std::uint32_t> tile(std::size_t(p.kv.steps()) * tree_lanes);
    std::vector<T> rows(std::size_t(page * p.kv.width())), key(std::size_t(head_dim), T{});
    for (int at = 0; at < pages * page; ++at)
      for (int h = 0; h < kv_heads; ++h) {
        std::uint32_t const* const words = p.kv.key_tile(layer, at / page, h, at % page, tile.data());
        for (int i = 0; i < p.kv.steps(); ++i) std::memcpy(key.data() + i * p.kv.word, words + i * tree_lanes + at % tree_lanes, 4);
        plain.append(layer, at / page, h, at % page, key.data(), p.kv.value_rows(layer, at / page, h, at % page, 1, rows.data()));
      }
    CHECK(same(p.template attend<Isa, leaf_attention>(p.kv, 0), p.template attend<Isa, leaf_attention>(plain, 0)));
  }
}

}  // namespace

TEST_CASE("cpu/attention: shared leaves give the bits of separate visits") {
  check<native, float>(), check<native, bf16>();
  check<scalar, float>(), check<scalar, bf16>();
}

TEST_CASE("cpu/attention: decoded keys and values give the bits of the same values stored as they are") {
  check_decoded<native, float>(kv_format::int8), check_decoded<native, float>(kv_format::bf16), check_decoded<native, bf16>(kv_format::int8);
}
