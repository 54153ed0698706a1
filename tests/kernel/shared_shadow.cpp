// What is kept of lines of sixteen bytes says of every access what is said where each granule is accessed by itself.
#include <algorithm>
#include <random>
#include <vector>

#include "catch.hpp"
#include "verbatim/simt/shared_shadow.hpp"

using namespace verbatim::simt;

TEST_CASE("a line accessed as a whole or in parts is as good as its granules") {
  using shadow = shared_shadow;
  struct copy { std::size_t offset, bytes; accessor by; };
  std::mt19937 random(1);
  auto const below = [&](unsigned n) { return random() % n; };
  int found[3] = {}, longest = 0;
  for (int sequence = 0; sequence < 4000; ++sequence) {
    shadow lines, granules;
    lines.reset(64), granules.reset(64);
    std::uint32_t block_epoch = 0, warp_epoch[2] = {};
    std::vector<copy> under_way;
    auto const by_granules = [&](std::size_t offset, std::size_t bytes, auto access) {
      auto p = access_problem::none;
      for (std::size_t at = offset; at < offset + bytes && p == access_problem::none; at += shadow::granule) p = access(at);
      return p;
    };
    auto p = access_problem::none;
    for (int step = 0; p == access_problem::none && step < 40; ++step) {
      if (below(4) != 0) ++block_epoch;
      if (below(3) == 0) ++warp_epoch[below(2)];
      int const thread = int(below(64)), warp = thread / 32;
      accessor const a{thread, warp, block_epoch, warp_epoch[warp]};
      std::size_t const bytes = std::size_t(2) << below(5), aligned = std::min(bytes, shadow::line);   // up to two lines
      std::size_t const offset = below(unsigned((64 - bytes) / aligned + 1)) * aligned;
      auto q = p;
      if (step == 0) {   // mostly, all is written once
        std::size_t const all = below(8) == 0 ? 48 : 64;
        p = lines.write(0, all, a);
        q = by_granules(0, all, [&](std::size_t at) { return granules.write(at, 2, a); });
      } else if (bytes >= shadow::line && below(6) == 0) {
        p = lines.begin_copy(offset, bytes, a);
        q = by_granules(offset, bytes, [&](std::size_t at) { return granules.begin_copy(at, 2, a); });
        under_way.push_back({offset, bytes, a});
      } else if (!under_way.empty() && below(4) != 0) {
        copy const c = under_way.back();
        under_way.pop_back();
        accessor const now{c.by.thread, c.by.warp, block_epoch, warp_epoch[c.by.warp]};
        lines.end_copy(c.offset, c.bytes, now);
        by_granules(c.offset, c.bytes, [&](std::size_t at) { return granules.end_copy(at, 2, now), access_problem::none; });
      } else if (below(3) == 0) {
        p = lines.write(offset, bytes, a);
        q = by_granules(offset, bytes, [&](std::size_t at) { return granules.write(at, 2, a); });
      } else {
        p = lines.read(offset, bytes, a);
        q = by_granules(offset, bytes, [&](std::size_t at) { return granules.read(at, 2, a); });
      }
      if (p != q) FAIL("sequence " << sequence << ", step " << step << ": " << int(p) << " of lines, " << int(q) << " of granules");
      longest = std::max(longest, step + 1);
    }
    ++found[int(p)];
  }
  CHECK(longest == 40);
  INFO(found[0] << " without a defect, " << found[1] << " unwritten, " << found[2] << " races");
  CHECK((found[0] > 20 && found[1] > 20 && found[2] > 20));
}
