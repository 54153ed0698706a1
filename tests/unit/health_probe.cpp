// The probe of health against an inbox that the test serves: what counts as a token, and who is told what when none comes.
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "verbatim/protocol/health_probe.hpp"

using namespace verbatim;
using namespace std::chrono_literals;

namespace {

struct watched {
  explicit watched(std::size_t capacity) : jobs(capacity) {}
  /// Asks; the status comes into the place that is given.
  int& ask() {
    auto const status = statuses.emplace_back(std::make_shared<int>(0));
    probe->ask(jobs, [status](http_response const& r) { *status = r.head.status; });
    return *status;
  }
  void tokens(std::uint64_t n) {
    engine_stats s;
    s.generated_tokens = n;
    jobs.publish(s);
  }
  bool finish(finish_reason how) {
    job taken;
    if (!jobs.pop(taken)) return false;
    event e;
    e.what = event::kind::finished, e.finish = how;
    taken.sink(e);
    jobs.finished();
    return true;
  }
  inbox jobs;
  std::shared_ptr<health_probe> probe = std::make_shared<health_probe>(50ms);
  std::vector<std::shared_ptr<int>> statuses;
};

}  // namespace

TEST_CASE("health_probe: a token of the probe's own, or of anybody, is health") {
  watched w(4);
  int& own = w.ask();
  CHECK(own == 0);
  REQUIRE(w.finish(finish_reason::length));
  CHECK(own == 200);
  int& others = w.ask();
  w.probe->tick();
  CHECK(others == 0);
  w.tokens(1);
  w.probe->tick();
  CHECK(others == 200);
}

TEST_CASE("health_probe: a full queue is ill only where no token comes") {
  watched w(1);
  w.jobs.submit({.prompt = {1}}, [](event const&) {});
  int& busy = w.ask();
  CHECK(busy == 0);
  CHECK(w.jobs.unfinished() == 1);
  w.tokens(7);
  w.probe->tick();
  CHECK(busy == 200);
  int& stuck = w.ask();
  std::this_thread::sleep_for(60ms);
  w.probe->tick();
  CHECK(stuck == 503);
}

TEST_CASE("health_probe: an aborted probe says nothing, and another is sent") {
  watched w(4);
  int& status = w.ask();
  REQUIRE(w.finish(finish_reason::cancelled));
  CHECK(status == 0);
  w.probe->tick();
  CHECK(status == 0);
  REQUIRE(w.finish(finish_reason::length));
  CHECK(status == 200);
}

TEST_CASE("health_probe: when it is late everybody is told at once, until a token comes") {
  watched w(4);
  int& first = w.ask();
  std::this_thread::sleep_for(60ms);
  w.probe->tick();
  CHECK(first == 503);
  CHECK(w.ask() == 503);
  CHECK(w.jobs.unfinished() == 1);
  w.tokens(1);
  int& later = w.ask();   // it moves again: the old probe is waited for
  CHECK(later == 0);
  REQUIRE(w.finish(finish_reason::length));
  CHECK(later == 200);
  CHECK_FALSE(w.finish(finish_reason::length));
}

TEST_CASE("health_probe: who left is forgotten, and there is an end to waiting ones") {
  watched w(4);
  for (std::size_t i = 0; i < health_probe::most_waiting; ++i) w.ask();
  CHECK(w.ask() == 503);
  CHECK(w.jobs.unfinished() == 1);
  w.jobs.close();
  REQUIRE(w.finish(finish_reason::length));
  CHECK(*w.statuses.front() == 200);
  CHECK(w.ask() == 503);   // the engine ends
}
