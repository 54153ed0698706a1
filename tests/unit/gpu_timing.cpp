// How programs that time a GPU's kernels read the clock.
#include <string>

#include "../../benchmarks/gpu_bench.hpp"
#include "catch.hpp"

namespace {

struct watch {
  std::string& log;
  double seconds = 0;
  void start() { log += "start "; }
  double stop() {
    log += "stop ";
    return seconds += 1;
  }
};

}  // namespace

TEST_CASE("gpu_bench: the clock starts on a busy stream, and stops once for each run") {
  std::string log;
  watch w{log};
  CHECK(gpu_bench::timed_runs(w, 2, [&] { log += "work "; }) == std::vector<double>{1, 2});
  CHECK(log == "work start work stop work start work stop ");
}
