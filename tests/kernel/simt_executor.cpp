// The host executor finds each kind of defect, says where, and lets correct bodies pass – under every order of threads.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "verbatim/simt/host_grid.hpp"

using namespace verbatim::simt;

namespace {

/// The kind of the defect that a body shows under several orders; nothing if it shows none under any.
template <class Body> std::optional<defect::kind> found(launch_shape shape, Body body, std::string* text = nullptr) {
  std::optional<defect::kind> kind;
  for (std::uint64_t seed = 0; seed < 4; ++seed) try {
      launch(shape, body, seed);
      if (kind) return std::nullopt;   // a defect has to show under every order, not by luck
    } catch (defect const& d) {
      kind = d.what_kind;
      if (text) *text = d.what();
    }
  return kind;
}

constexpr launch_shape one_block{.threads = 64, .shared = 1024};
constexpr place floats{0, 256};

}  // namespace

TEST_CASE("a barrier that only some threads reach is found") {
  std::string text;
  CHECK(found(one_block, [](host_grid g) { if (g.thread() < 40) g.sync(); }, &text) == defect::kind::divergent_barrier);
  CHECK(text.find("simt_executor.cpp:") != std::string::npos);
  CHECK(found(one_block, [](host_grid g) { if (g.thread() != 7) g.sync_warp(); }) == defect::kind::divergent_barrier);
  CHECK(found(one_block, [](host_grid g) { if (g.thread() % 2) g.shfl_xor(1.0f, 1); }) == defect::kind::divergent_barrier);
  CHECK(found(one_block, [](host_grid g) { for (int i = 0; i <= g.thread() / 32; ++i) g.sync(); }) == defect::kind::divergent_barrier);
}

TEST_CASE("two barriers that meet from two places are found") {
  // Outside the macro: within it all lines count as one.
  auto const two_barriers = [](host_grid g) {
    if (g.thread() < 32) g.sync();
    else g.sync();
  };
  auto const shuffle_and_barrier = [](host_grid g) {
    if (g.thread() % 32 < 16) g.shfl_xor(1.0f, 1);
    else g.sync_warp();
  };
  CHECK(found(one_block, two_barriers) == defect::kind::divergent_barrier);
  CHECK(found(one_block, shuffle_and_barrier) == defect::kind::divergent_barrier);
}

TEST_CASE("a read of unwritten shared memory is found") {
  CHECK(found(one_block, [](host_grid g) { g.shared<float>(floats).load(g.thread()); }) == defect::kind::unwritten_shared);
  // Every second one written: a pack reads over the gap.
  CHECK(found(one_block, [](host_grid g) {
          auto const s = g.shared<float>(floats);
          if (g.thread() < 32) s.store(2 * g.thread(), 1.0f);
          g.sync();
          s.load_pack<2>(0);
        }) == defect::kind::unwritten_shared);
}

TEST_CASE("shared memory does not survive from one block to the next") {
  CHECK(found({.x = 2, .threads = 32, .shared = 1024}, [](host_grid g) {
          if (g.block_x() == 0) g.shared<float>(floats).store(g.thread(), 1.0f);
          if (g.block_x() == 1) g.shared<float>(floats).load(g.thread());
        }) == defect::kind::unwritten_shared);
}

TEST_CASE("a missing barrier is found, whichever thread comes first") {
  auto const neighbour = [](bool block, bool warp, int distance) {
    return found(one_block, [=](host_grid g) {
      auto const s = g.shared<int>(floats);
      s.store(g.thread(), 0);
      g.sync();
      s.store(g.thread(), g.thread());
      if (block) g.sync();
      if (warp) g.sync_warp();
      s.load(g.thread() ^ distance);
    });
  };
  CHECK(neighbour(false, false, 1) == defect::kind::race);
  CHECK(neighbour(false, true, 32) == defect::kind::race);   // a warp's barrier orders that warp alone
  CHECK_FALSE(neighbour(false, true, 1));
  CHECK_FALSE(neighbour(true, false, 32));
}

TEST_CASE("accesses of sixteen bytes and of their parts are seen to meet") {
  using four = pack<int, 4>;
  auto const meets = [](bool whole_first, bool whole_then, bool writes, bool barrier, int offset) {
    return found(one_block, [=](host_grid g) {
      auto const s = g.shared<int>(floats);
      auto const access = [&](bool whole, int i, bool store) {
        if (whole && store) s.store_pack<4>(i / 4 * 4, four{});
        else if (whole) s.load_pack<4>(i / 4 * 4);
        else if (store) s.store(i, 1);
        else s.load(i);
      };
      if (g.thread() == 0) s.store_pack<4>(0, four{});
      if (g.thread() == 0) s.store_pack<4>(4, four{});
      g.sync();
      if (g.thread() == 0) access(whole_first, 1, true);
      if (barrier) g.sync();
      if (g.thread() == 33) access(whole_then, 1 + offset, writes);
      g.sync();
      if (g.thread() == 7) s.load_pack<4>(0), s.load(5);   // nothing is left of it behind a barrier
    });
  };
  for (bool first : {false, true})
    for (bool then : {false, true})
      for (bool writes : {false, true}) {
        CAPTURE(first, then, writes);
        CHECK(meets(first, then, writes, false, 0) == defect::kind::race);
        CHECK_FALSE(meets(first, then, writes, true, 0));
        CHECK_FALSE(meets(first, then, writes, false, 4));   // the next sixteen bytes
        if (!first && !then) CHECK_FALSE(meets(first, then, writes, false, 1));
        else CHECK(meets(first, then, writes, false, 1) == defect::kind::race);
      }
  CHECK(found(one_block, [](host_grid g) {   // half of it is written, behind what was written as a whole
          auto const s = g.shared<int>(floats);
          if (g.thread() == 0) s.store_pack<4>(0, four{});
          if (g.thread() < 2) s.store(4 + g.thread(), 1);
          g.sync();
          s.load_pack<4>(0);
          s.load_pack<4>(4);
        }) == defect::kind::unwritten_shared);
  CHECK_FALSE(found(one_block, [](host_grid g) {   // parts by several threads, then as a whole, and by parts again
    auto const s = g.shared<int>(floats);
    s.store(g.thread(), 1);
    g.sync();
    if (g.thread() < 16) s.store_pack<4>(4 * (15 - g.thread()), four{});
    g.sync();
    s.load(g.thread());
    g.sync();
    s.store(63 - g.thread(), 2);
  }));
}

TEST_CASE("a write that may overtake another thread's read is found") {
  auto const overwritten = [](int distance, bool block, bool shuffle) {
    return found(one_block, [=](host_grid g) {
      auto const s = g.shared<int>(floats);
      s.store(g.thread(), 1);
      g.sync();
      s.load(g.thread() ^ distance);
      s.load(g.thread());
      if (block) g.sync();
      if (shuffle) g.shfl_xor(1, 1);   // orders values, not memory
      s.store(g.thread(), 2);
    });
  };
  CHECK(overwritten(1, false, false) == defect::kind::race);
  CHECK(overwritten(32, false, false) == defect::kind::race);
  CHECK(overwritten(1, false, true) == defect::kind::race);
  CHECK_FALSE(overwritten(1, true, false));
  CHECK_FALSE(overwritten(0, false, false));
  CHECK(found(one_block, [](host_grid g) { g.shared<int>(floats).store(0, g.thread()); }) == defect::kind::race);
}

TEST_CASE("accesses outside a span or a place are found, and crooked packs") {
  std::vector<float> memory(64);
  global<float> const span{memory.data(), memory.size()};
  CHECK(found(one_block, [=](host_grid g) { g.load(span, g.thread() + 1); }) == defect::kind::out_of_bounds);
  CHECK(found(one_block, [=](host_grid g) { g.store(span, g.thread() - 1, 0.0f); }) == defect::kind::out_of_bounds);
  CHECK(found(one_block, [=](host_grid g) { g.load_pack<4>(span, 64); }) == defect::kind::out_of_bounds);
  CHECK(found(one_block, [=](host_grid g) { g.load_pack<2>(span, 3); }) == defect::kind::misaligned);
  CHECK(found(one_block, [](host_grid g) { g.shared<float>(floats).store(256, 0.0f); }) == defect::kind::out_of_bounds);
  CHECK(found(one_block, [](host_grid g) { g.shared<float>({16, 256}); }) == defect::kind::out_of_bounds);
  CHECK(found({.threads = 32, .shared = 64}, [](host_grid g) { g.shared<float>({0, 16}).load_pack<4>(2); }) == defect::kind::misaligned);
  CHECK(found({.threads = 33}, [](host_grid) {}) == defect::kind::bad_launch);
  CHECK(found({.x = 0}, [](host_grid) {}) == defect::kind::bad_launch);
  CHECK(found({.y = most_blocks + 1}, [](host_grid) {}) == defect::kind::bad_launch);
  CHECK(found({.z = most_blocks + 1}, [](host_grid) {}) == defect::kind::bad_launch);
  CHECK(found({.shared = most_shared + 16}, [](host_grid) {}) == defect::kind::bad_launch);
  CHECK_FALSE(found(one_block, [=](host_grid g) { g.store(span, g.thread(), g.load(span, g.thread()) + 1); }));
}

TEST_CASE("what depends on the order of threads or blocks shows as other bits under another seed") {
  auto const last_one = [](bool by_block) {
    std::vector<int> results;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      int last = -1;
      global<int> const span{&last, 1};
      launch({.x = by_block ? 64 : 1, .threads = by_block ? 32 : 64}, [=](host_grid g) { g.store(span, 0, by_block ? g.block_x() : g.thread()); }, seed);
      results.push_back(last);
    }
    return results;
  };
  for (bool by_block : {false, true}) {
    auto const results = last_one(by_block);
    CHECK(results[0] == 63);
    CHECK(results != std::vector<int>(8, results[0]));
    CHECK(results == last_one(by_block));   // and the same ones under the same seed
  }
}

TEST_CASE("a butterfly and a tree through shared memory give the sum, in all orders") {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    std::vector<int> sums(3 * 96, -1);
    global<int> const out{sums.data(), sums.size()};
    launch({.x = 3, .threads = 96, .shared = 16}, [=](host_grid g) {
      int v = g.thread() + g.block_x();
      for (int m = 16; m; m /= 2) v += g.shfl_xor(v, m);
      auto const s = g.shared<int>({0, 3});
      if (g.thread() % 32 == 0) s.store(g.thread() / 32, v);
      g.sync();
      g.store(out, g.block_x() * 96 + g.thread(), s.load(0) + s.load(1) + s.load(2));
    }, seed);
    for (int i = 0; i < 3 * 96; ++i) REQUIRE(sums[std::size_t(i)] == 95 * 48 + 96 * (i / 96));
  }
}

TEST_CASE("the last of several blocks to arrive finds what the others left, in all orders, and the counters at 0") {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    std::vector<int> parts(3 * 5), sums(3, -1);
    std::vector<unsigned> counters(3);
    global<int> const part{parts.data(), parts.size()}, sum{sums.data(), sums.size()};
    global<unsigned> const arrived{counters.data(), counters.size()};
    launch({.x = 3, .y = 5}, [=](host_grid g) {
      if (g.thread() != 0) return;
      g.store(part, g.block_x() * 5 + g.block_y(), 1 << g.block_y());
      if (!g.last_to_arrive(arrived, g.block_x(), 5)) return;
      int all = 0;
      for (int i = 0; i < 5; ++i) all += g.load(part, g.block_x() * 5 + i);
      g.store(sum, g.block_x(), all);
    }, seed);
    CHECK(sums == std::vector<int>(3, 31));
    CHECK(counters == std::vector<unsigned>(3, 0));
  }
}

TEST_CASE("an executor that threw runs the next launch") {
  for (int i = 0; i < 20; ++i) CHECK_THROWS_AS(launch(one_block, [](host_grid g) { if (g.thread() == 5) throw defect(defect::kind::race, "own"); g.sync(); }), defect);
  CHECK_FALSE(found(one_block, [](host_grid g) { g.sync(); }));
}
