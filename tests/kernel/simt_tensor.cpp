// What the host executor models of tensor cores and asynchronous copies: products against plain sums, how matrices lie in a warp, and
// that every use of a copy before it has arrived is found.
#include <optional>
#include <vector>

#include "catch.hpp"
#include "verbatim/simt/host_grid.hpp"

using namespace verbatim;
using namespace verbatim::simt;

namespace {

template <class Body> std::optional<defect::kind> found(Body body) {
  std::optional<defect::kind> kind;
  for (std::uint64_t seed = 0; seed < 4; ++seed) try {
      launch({.threads = 64, .shared = 4096}, body, seed);
      if (kind) return std::nullopt;   // a defect has to show under every order, not by luck
    } catch (defect const& d) {
      kind = d.what_kind;
    }
  return kind;
}

constexpr place staged{0, 2048};

}  // namespace

TEST_CASE("an mma of matrices that came through load_matrix is their product") {
  // A [16, 16] by rows; B once as its columns [8, 16], read as it lies, once as its rows [16, 8], read transposed.
  auto const a = [](int i, int k) { return float((i * 5 + k * 3) % 11 - 5); };
  auto const b = [](int k, int j) { return float((k * 7 + j * 2) % 13 - 6); };
  std::vector<float> out(2 * 16 * 8);
  global<float> const to{out.data(), out.size()};
  launch({.threads = 32, .shared = 4096}, [&](host_grid g) {
    auto const s = g.shared<bf16>(staged);
    for (int i = g.thread(); i < 256; i += 32) s.store(i, to_bf16(a(i / 16, i % 16)));
    for (int i = g.thread(); i < 128; i += 32) s.store(256 + i, to_bf16(b(i % 16, i / 16))), s.store(384 + i, to_bf16(b(i / 8, i % 8)));
    g.sync();
    auto const m = g.load_matrix<4>(s, g.thread() % 16 * 16 + g.thread() / 16 * 8);
    auto const columns = g.load_matrix<2>(s, 256 + g.thread() % 8 * 16 + g.thread() / 8 % 2 * 8);
    auto const rows = g.load_matrix<2, true>(s, 384 + g.thread() % 16 * 8);
    for (int way = 0; way < 2; ++way) {
      auto const& p = way ? rows.part : columns.part;
      mma_c const c = g.mma({{m.part[0], m.part[1], m.part[2], m.part[3]}}, {{p[0], p[1]}}, {{1, 2, 3, 4}});
      for (int e = 0; e < 4; ++e) g.store(to, way * 128 + (g.thread() / 4 + e / 2 * 8) * 8 + g.thread() % 4 * 2 + e % 2, c.value[e] - float(e + 1));
    }
  });
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      float expected = 0;
      for (int k = 0; k < 16; ++k) expected += a(i, k) * b(k, j);
      CHECK(out[std::size_t(i * 8 + j)] == expected);
      CHECK(out[std::size_t(128 + i * 8 + j)] == expected);
    }
}

TEST_CASE("a copy that has arrived is read; one that has not is found") {
  std::vector<bf16> from(2048);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = {std::uint16_t(i)};
  global<bf16 const> const in{from.data(), from.size()};
  auto const begin = [&](host_grid g, int at) { g.copy_async<8>(g.shared<bf16>(staged), at + 8 * g.thread(), in, at + 8 * g.thread()); };
  auto const read = [](host_grid g, int at) { return g.shared<bf16>(staged).load(at + 8 * ((g.thread() + 1) % 64)).bits; };
  bool right = true;
  auto const correct = [&](host_grid g) {
    begin(g, 0), g.copy_commit();
    begin(g, 512), g.copy_commit();
    g.copy_wait<1>(), g.sync();
    right = right && read(g, 0) == 8 * ((g.thread() + 1) % 64);
    g.copy_wait<0>(), g.sync();
    right = right && read(g, 512) == 512 + 8 * ((g.thread() + 1) % 64);
  };
  CHECK_FALSE(found(correct));
  CHECK(right);
  CHECK(found([&](host_grid g) { begin(g, 0), g.copy_commit(), g.sync(), read(g, 0); }) == defect::kind::race);                       // no wait
  CHECK(found([&](host_grid g) { begin(g, 0), g.copy_wait<0>(), g.sync(), read(g, 0); }) == defect::kind::race);                      // no commit
  CHECK(found([&](host_grid g) { begin(g, 0), g.copy_commit(), begin(g, 512), g.copy_commit(), g.copy_wait<1>(), g.sync(), read(g, 512); }) == defect::kind::race);
  CHECK(found([&](host_grid g) { begin(g, 0), g.copy_commit(), g.copy_wait<0>(), read(g, 0); }));                                     // no barrier
  CHECK(found([&](host_grid g) { begin(g, 0), g.copy_commit(), g.copy_wait<0>(), g.sync(), read(g, 0), begin(g, 0); }) == defect::kind::race);   // others may still read
  CHECK(found([&](host_grid g) { begin(g, 0), g.shared<bf16>(staged).store(8 * g.thread(), bf16{}); }) == defect::kind::race);
  CHECK(found([&](host_grid g) { g.copy_async<8>(g.shared<bf16>(staged), 8 * g.thread(), in, 8 * g.thread() + 4); }) == defect::kind::misaligned);
  CHECK(found([&](host_grid g) { g.copy_async<8>(g.shared<bf16>(staged), 8 * g.thread(), in, 2048); }) == defect::kind::out_of_bounds);
}
