// front/machine_limits.hpp: two measurements of one machine.
#include "verbatim/front/machine_limits.hpp"

#include "catch.hpp"

using verbatim::change;
using verbatim::machine_limits;

TEST_CASE("machine_limits: how far two measurements lie apart is the larger part by which one of their numbers fell, in either order") {
  machine_limits const quiet{40, 200}, slow_memory{30, 190}, slow_both{30, 50}, memory_only{40, 0};
  CHECK(change(quiet, quiet) == 0);
  CHECK(change(quiet, slow_memory) == 0.25);
  CHECK(change(slow_memory, quiet) == 0.25);
  CHECK(change(quiet, slow_both) == 0.75);
  CHECK(change(quiet, memory_only) == 1);
  CHECK(change(memory_only, memory_only) == 0);
  CHECK(change({}, {}) == 0);
}

TEST_CASE("machine_limits: the best of two has the larger of each number") {
  auto const best = best_of(machine_limits{40, 50}, machine_limits{30, 200});
  CHECK((best.read_gb_per_second == 40 && best.gflop_per_second == 200));
}
