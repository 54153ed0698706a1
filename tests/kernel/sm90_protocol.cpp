// What the host model of sm_90a finds: each part of a pipeline's protocol left out or done wrong is a defect with its line, under every
// order of threads and copies, and the whole one passes. One small pipeline, in which each case breaks one thing.
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "verbatim/kernel/sm90/tiles.hpp"
#include "verbatim/simt/host_sm90.hpp"

using namespace verbatim;
using namespace verbatim::simt;
using rule = protocol_defect::rule;

namespace {

/// What is broken, if it is under each of several orders; `any` where what shows first depends on the order.
template <class Body> std::optional<rule> found(launch_shape shape, Body body, std::string* text = nullptr, bool any = false) {
  std::optional<rule> broken;
  for (std::uint64_t seed = 0; seed < 6; ++seed) try {
      launch_sm90(shape, body, seed);
      if (broken) return std::nullopt;
    } catch (protocol_defect const& d) {
      if (broken && *broken != d.broken && !any) FAIL("another rule under another order: " << d.what());
      broken = d.broken;
      if (text) *text = d.what();
    } catch (defect const& d) {   // read before any write: the copy has not even been asked for
      if (!any) FAIL("another kind under another order: " << d.what());
      broken = rule::not_acquired;
    }
  return broken;
}

/// A warp that copies and a warpgroup that multiplies [64, 64] by [8, 64], `steps` times over two stages.
struct broken_part {
  bool init_fence = true, block_barrier = true, expect = true, wait_full = true, same_parity = false, wait_empty = true, arrive_empty = true, early_arrive = false;
  bool mma_fence = true, commit = true, mma_wait = true, wait_dependency = true, lane_leaves_out = false, other_descriptor = false, off_pattern = false;
  int arrivals = 4, bytes = 8192 + 1024;
};
constexpr int stage_bytes = 8192 + 1024, stages = 2, steps = 6;
constexpr launch_shape shape{.threads = 160, .shared = stages * stage_bytes + 64};
constexpr barrier full(int s) { return {stages * stage_bytes + 8 * s}; }
constexpr barrier empty(int s) { return {stages * stage_bytes + 16 + 8 * s}; }

struct operands {
  std::vector<bf16> storage = std::vector<bf16>(2 * 4096 + 16, bf16{0x3f80});
  std::vector<float> out = std::vector<float>(64 * 8);
  global<bf16 const> tiles() const {
    auto const at = (reinterpret_cast<std::uintptr_t>(storage.data()) + 15) / 16 * 16;
    return {reinterpret_cast<bf16 const*>(at), 2 * 4096};
  }
  global<float> sums() { return {out.data(), out.size()}; }
};

void pipeline(host_sm90_grid g, broken_part const& b, global<bf16 const> from, global<float> out) {
  if (g.thread() == 0) {
    for (int s = 0; s < stages; ++s) {
      g.barrier_init(full(s), 1);
      g.barrier_init(empty(s), b.arrivals);
    }
    if (b.init_fence) g.barrier_init_fence();
  }
  if (b.block_barrier) g.sync();
  if (g.thread() == 128) {
    if (b.wait_dependency) g.dependency_wait();
    for (int i = 0; i < steps; ++i) {
      int const s = i % stages;
      if (i >= stages && b.wait_empty) g.wait(empty(s), (i / stages - 1) & 1);
      if (b.expect) g.arrive_expect(full(s), b.bytes);
      else g.arrive(full(s));
      g.copy_bulk(s * stage_bytes, from, 0, 4096, full(s), eviction::first, origin::settled);
      g.copy_bulk(s * stage_bytes + 8192, from, 4096, 512, full(s), eviction::last, origin::dependent);
    }
  }
  if (g.thread() >= 128) return;
  g.dependency_wait();
  host_sm90_grid::accumulator<8> c;
  for (int i = 0; i < steps; ++i) {
    int const s = i % stages;
    if (b.wait_full) g.wait(full(s), b.same_parity ? 0 : i / stages & 1);
    if (b.early_arrive && g.thread() % 32 == 0) g.arrive(empty(s));
    if (b.mma_fence) g.mma_fence();
    for (int k = 0; k < 4; ++k) {
      if (b.lane_leaves_out && g.thread() == 77 && i == steps - 1 && k == 3) continue;
      int const x = s * stage_bytes + 8192 + 32 * k + (b.off_pattern ? 128 : 0);
      g.multiply(c, g.descriptor(s * stage_bytes + (b.other_descriptor && g.thread() >= 64 ? 0 : 32 * k)), g.descriptor(x), i > 0 || k > 0);
    }
    if (b.commit) g.mma_commit();
    if (b.mma_wait) g.mma_wait<0>(c);
    if (!b.early_arrive && b.arrive_empty && g.thread() % 32 == 0) g.arrive(empty(s));
  }
  for (int e = 0; e < 4; ++e) {
    auto const at = accumulator_element(g.thread(), e);
    g.store(out, at.row * 8 + at.column, c.get(e));
  }
}

std::optional<rule> of(broken_part b, std::string* text = nullptr, bool any = false) {
  operands o;
  auto const from = o.tiles();
  auto const out = o.sums();
  auto const result = found(shape, [&](host_sm90_grid g) { pipeline(g, b, from, out); }, text, any);
  if (!result)
    for (float v : o.out) CHECK(v == 64 * steps);
  return result;
}
bool breaks(broken_part b) { return of(b, nullptr, true).has_value(); }

constexpr launch_shape group{.threads = 128, .shared = 8192 + 1024 + 16};
/// Ordinary stores of both operands, then a product.
void stored(host_sm90_grid g, bool fence, bool barrier_between) {
  auto const m = g.packs<bf16>({0, 576});
  full_pack<bf16> ones;
  for (auto& v : ones.value) v = bf16{0x3f80};
  for (int i = g.thread(); i < 576; i += 128) m.store(i, ones);
  if (fence) g.proxy_fence();
  if (barrier_between) g.sync();
  host_sm90_grid::accumulator<8> c;
  g.mma_fence();
  g.multiply(c, g.descriptor(0), g.descriptor(8192), false);
  g.mma_commit();
  g.mma_wait<0>(c);
  if (c.get(0) != 16) throw defect(defect::kind::race, "another sum");
}

}  // namespace

TEST_CASE("the whole protocol passes and gives the sums") { CHECK_FALSE(of({})); }

TEST_CASE("a wait that never ends is told with its line") {
  std::string text;
  CHECK(of({.bytes = stage_bytes + 16}, &text) == rule::never_ends);
  CHECK(text.find("sm90_protocol.cpp:") != std::string::npos);
  CHECK(of({.arrive_empty = false}) == rule::never_ends);
  CHECK(of({.arrivals = 5}) == rule::never_ends);
  CHECK(found(shape, [](host_sm90_grid g) {
          if (g.thread() == 0) g.barrier_init(full(0), 1);
          g.sync();
          g.wait(full(0), 0);
        }) == rule::never_ends);
  CHECK(found(shape, [](host_sm90_grid g) { if (g.thread() < 64) g.sync(); }) == rule::never_ends);
}

TEST_CASE("what is read or written without a wait is found") {
  CHECK(breaks({.wait_full = false}));
  CHECK(breaks({.block_barrier = false}));
  CHECK(breaks({.expect = false}));          // the barrier does not count bytes: the phase ends at once
  CHECK(breaks({.bytes = 8192}));            // or after the first copy
  CHECK(of({.early_arrive = true}) == rule::not_released);   // a stage is let go before its products are done
}

TEST_CASE("a refill without a wait for those who read is found") {
  CHECK(breaks({.wait_empty = false}));
}

TEST_CASE("the wrong parity is found") {
  // It lets the second lap through at once, to a stage that is under way, or waits for a phase that is over.
  CHECK(breaks({.same_parity = true}));
}

TEST_CASE("missing fences are found") {
  CHECK(of({.init_fence = false}) == rule::no_fence);
  CHECK(of({.mma_fence = false}) == rule::no_fence);
  CHECK_FALSE(found(group, [](host_sm90_grid g) { stored(g, true, true); }));
  CHECK(found(group, [](host_sm90_grid g) { stored(g, false, true); }) == rule::no_fence);
  CHECK(found(group, [](host_sm90_grid g) { stored(g, true, false); }, nullptr, true).has_value());
  auto const touched = [](host_sm90_grid g) {   // between two products, without another fence
    auto const m = g.packs<bf16>({0, 576});
    for (int i = g.thread(); i < 576; i += 128) m.store(i, {});
    g.proxy_fence();
    g.sync();
    host_sm90_grid::accumulator<8> c;
    g.mma_fence();
    for (int i = 0; i < 2; ++i) {
      g.multiply(c, g.descriptor(0), g.descriptor(8192), i > 0);
      g.mma_commit();
      g.mma_wait<0>(c);
      c.get(0);
    }
  };
  CHECK(found(group, touched) == rule::no_fence);
}

TEST_CASE("accumulators that are touched before their products are waited for, and groups that were not committed, are found") {
  CHECK(breaks({.mma_wait = false}));
  CHECK(breaks({.commit = false}));
  auto const early = [](host_sm90_grid g) {
    auto const m = g.packs<bf16>({0, 576});
    for (int i = g.thread(); i < 576; i += 128) m.store(i, {});
    g.proxy_fence();
    g.sync();
    host_sm90_grid::accumulator<8> c;
    g.mma_fence();
    g.multiply(c, g.descriptor(0), g.descriptor(8192), false);
    g.mma_commit();
    g.mma_wait<1>(c);
    c.get(0);
    g.mma_wait<0>(c);
  };
  CHECK(found(group, early) == rule::in_flight);
}

TEST_CASE("a warpgroup that does not multiply as one is found") {
  CHECK(of({.lane_leaves_out = true}) == rule::divergent);
  CHECK(of({.other_descriptor = true}) == rule::divergent);
}

TEST_CASE("descriptors that do not say where patterns start are found") {
  CHECK(of({.off_pattern = true}) == rule::descriptor);
}

TEST_CASE("what the launch before makes is not read or written without a wait for it") {
  CHECK(of({.wait_dependency = false}) == rule::dependency);
  std::vector<float> y(160);
  global<float> const out{y.data(), y.size()};
  CHECK(found(shape, [=](host_sm90_grid g) { g.store(out, g.thread(), 1.0f); }) == rule::dependency);
}

TEST_CASE("barriers are used as they were made") {
  auto const one = [](auto body) {
    return found(shape, [=](host_sm90_grid g) {
      if (g.thread() != 0) return;
      g.barrier_init(full(0), 1);
      g.barrier_init_fence();
      body(g);
    });
  };
  CHECK_FALSE(one([](host_sm90_grid g) { g.arrive(full(0)); g.wait(full(0), 0); g.arrive(full(0)); g.wait(full(0), 1); }));
  CHECK(one([](host_sm90_grid g) { g.arrive(full(0)); g.arrive(full(0)); }) == rule::barrier_use);   // nobody waited for the first phase
  CHECK(one([](host_sm90_grid g) { g.barrier_init(full(0), 1); }) == rule::barrier_use);
  CHECK(one([](host_sm90_grid g) { g.arrive(full(1)); }) == rule::barrier_use);
  CHECK(one([](host_sm90_grid g) { g.packs<float>({full(0).offset, 1}).store(0, {}); }) == rule::barrier_use);
  CHECK(one([](host_sm90_grid g) { g.wait(full(0), 2); }) == rule::barrier_use);
}

TEST_CASE("a block does not end before its copies") {
  operands o;
  auto const from = o.tiles();
  CHECK(found(shape, [=](host_sm90_grid g) {
          if (g.thread() != 0) return;
          g.barrier_init(full(0), 1);
          g.barrier_init_fence();
          g.arrive_expect(full(0), 8192);
          g.copy_bulk(0, from, 0, 4096, full(0), eviction::first, origin::settled);
        }) == rule::in_flight);
}

TEST_CASE("registers come out of a pool") {
  launch_shape const three{.threads = 384, .shared = 16};
  auto const take = [&](auto mine, auto theirs) {
    return found(three, [=](host_sm90_grid g) {
      if (g.thread() >= 256) g.registers_decrease<decltype(mine)::value>();
      else g.registers_increase<decltype(theirs)::value>();
    });
  };
  CHECK_FALSE(take(std::integral_constant<int, 40>{}, std::integral_constant<int, 232>{}));
  CHECK(take(std::integral_constant<int, 40>{}, std::integral_constant<int, 240>{}) == rule::never_ends);
  CHECK(take(std::integral_constant<int, 20>{}, std::integral_constant<int, 232>{}).has_value());
  CHECK(found(three, [](host_sm90_grid g) { if (g.thread() < 32) g.registers_decrease<40>(); }) == rule::divergent);
}
