// Which graphs an executor records, replays and forgets: whatever fails, and however many keys come, what is asked for runs exactly once.
#include <memory>
#include <set>
#include <stdexcept>

#include "catch.hpp"
#include "verbatim/backend/cuda/recorded_graphs.hpp"

using namespace verbatim;

namespace {

/// Counts instead of launching. What is enqueued while it records runs when the graph does.
struct counter {
  struct end_graph {
    counter* of = nullptr;
    void operator()(int const* graph) const {
      CHECK(of->drained >= of->last_run);   // none is destroyed while it may run
      --of->graphs;
      delete graph;
    }
  };
  using graph = std::unique_ptr<int const, end_graph>;

  int enqueued = 0, last_run = 0, drained = 0, graphs = 0, recordings = 0, begun = 0, drains = 0;
  bool can_start = true, can_finish = true, records = false;
  int in_recording = 0, refused = 0;                             // refused: launches of the next recording, from its first one on
  int failure = 0, failure_before = 0;                           // the first call that failed, as an executor keeps it
  cuda::recorded_graphs<graph> kept;

  void launch() {
    if (records && refused > 0) return --refused, void(failure += failure == 0);
    ++(records ? in_recording : enqueued);
  }
  void replay(int key) { kept.replay(*this, {key}, [this] { launch(); }); }

  bool start_recording() {
    ++begun;
    failure_before = failure;
    if (can_start) records = true, in_recording = 0;
    return can_start;
  }
  graph finish_recording() {
    REQUIRE(records);
    records = false;
    if (!can_finish || failure != failure_before) {
      failure = failure_before;
      return {};
    }
    ++recordings, ++graphs;
    return {new int(in_recording), {this}};
  }
  void run_graph(graph const& g) { last_run = enqueued += *g; }
  void drain() { ++drains, drained = enqueued; }
  ~counter() { drain(); }
};
using kept = cuda::recorded_graphs<counter::graph>;

}  // namespace

TEST_CASE("recorded graphs: by launches first, then recorded, then replayed") {
  counter c;
  for (int i = 1; i <= 5; ++i) {
    c.replay(1);
    CHECK((c.enqueued == i && c.graphs == (i > 1) && c.recordings == (i > 1)));
  }
  c.replay(2);
  CHECK((c.enqueued == 6 && c.recordings == 1));
}

TEST_CASE("recorded graphs: what fails runs by launches, once, and is given up") {
  for (bool at_start : {false, true}) {
    CAPTURE(at_start);
    counter c;
    for (int i = 0; i < 2; ++i) c.replay(0);
    CHECK(c.graphs == 1);
    auto& works = at_start ? c.can_start : c.can_finish;
    works = false;
    int runs = 2, begun = c.begun;
    for (int key = 1; key <= 20; ++key)
      for (int i = 0; i < 5; ++i) {
        c.replay(key);
        CHECK(c.enqueued == ++runs);
      }
    CHECK(c.begun - begun == kept::most_failures);
    CHECK(!c.records);
    c.replay(0);   // the graph that was there is replayed
    CHECK((c.enqueued == runs + 1 && c.graphs == 1 && c.begun - begun == kept::most_failures));
  }
}

TEST_CASE("recorded graphs: a key that fails is given up, others are not, and a failure in between is none") {
  counter c;
  for (int key = 1; key <= 50; ++key) {
    c.replay(key);
    c.can_finish = false;
    c.replay(key);   // somebody ended the recording
    c.can_finish = true;
    c.replay(key);
    CHECK(c.graphs == key);
  }
  int const begun = c.begun;
  c.replay(100);
  c.can_finish = false;
  for (int i = 0; i < 10; ++i) c.replay(100);
  CHECK(c.begun - begun == kept::most_tries);
  c.can_finish = true;
  for (int i = 0; i < 2; ++i) c.replay(101);
  CHECK(c.graphs == 51);
}

TEST_CASE("recorded graphs: a launch that a recording refuses is missing in no graph, and is no failure where it runs without") {
  counter c;
  auto const both = [&] { c.kept.replay(c, {1}, [&] { c.launch(), c.launch(); }); };
  both();
  c.refused = 1;   // one of two; the recording itself ends well
  both();
  CHECK((c.enqueued == 4 && c.graphs == 0 && c.failure == 0 && !c.records));
  both();
  CHECK((c.enqueued == 6 && c.graphs == 1 && c.recordings == 1));
}

TEST_CASE("recorded graphs: of many keys those used last are kept") {
  counter c;
  int const most = int(kept::most);
  int runs = 0;
  auto const replay = [&](int key) {
    c.replay(key);
    CHECK(c.enqueued == ++runs);
  };
  for (int key = 0; key < 3 * most; ++key)
    for (int i = 0; i < 2; ++i) replay(key), replay(0);
  CHECK((c.graphs == most && int(c.kept.size()) == most));
  int const recordings = c.recordings;
  for (int key = 3 * most - 1; key > 2 * most; --key) replay(key);
  CHECK(c.recordings == recordings);
  replay(1);   // was forgotten long ago
  replay(1);
  CHECK((c.recordings == recordings + 1 && c.graphs == most && int(c.kept.size()) == most));
  int const drains = c.drains, last = c.recordings;
  for (int key = 10000; key < 10000 + 2 * most; ++key) replay(key);   // seen once: bounded, too, and at the cost of the reserve, in graphs and waits
  int const cost = int(kept::reserve) + 1;
  CHECK((c.graphs == most - cost && int(c.kept.size()) == most && c.drains == drains + cost));
  for (int key : {1, 3 * most - 1 - cost, 2 * most + 1}) {   // theirs are there; only those of `cost` others were used before
    replay(key);
    CHECK((c.recordings == last && c.last_run == c.enqueued));
  }
  replay(10000 + 2 * most - 1);   // the last of those is remembered, and recorded
  CHECK((c.recordings == last + 1 && c.graphs == most - cost + 1));
}

TEST_CASE("recorded graphs: new keys that come in turn are recorded, whatever graphs there are") {
  int const most = int(kept::most), reserve = int(kept::reserve);
  for (int turns : {1, 2, 10, reserve + 1})
    for (int stale : {most - 2, most - 1, most}) {
      CAPTURE(turns, stale);
      counter c;
      for (int key = 0; key < stale; ++key)
        for (int i = 0; i < 2; ++i) c.replay(key);
      for (int key = 5000; key < 5000 + most - stale; ++key) c.replay(key);   // and some that came once
      CHECK((c.graphs == stale && int(c.kept.size()) == most));
      int const recordings = c.recordings;
      for (int round = 0; round < 3; ++round)
        for (int key = 10000; key < 10000 + turns; ++key) c.replay(key);
      CHECK(c.recordings == recordings + turns);
      CHECK(int(c.kept.size()) == most);
    }
}

TEST_CASE("recorded graphs: where nothing is recorded any more, new keys cost no graph") {
  counter c;
  int const most = int(kept::most);
  for (int key = 0; key < most; ++key)
    for (int i = 0; i < 2; ++i) c.replay(key);
  c.can_finish = false;
  for (int key = 1000; key < 1000 + kept::most_failures; ++key)
    for (int i = 0; i < 2; ++i) c.replay(key);
  int const graphs = c.graphs, begun = c.begun;
  for (int key = 2000; key < 2000 + 2 * most; ++key)
    for (int i = 0; i < 2; ++i) c.replay(key);
  CHECK((c.graphs == graphs && c.begun == begun));
}

TEST_CASE("recorded graphs: an exception ends the recording") {
  counter c;
  c.replay(1);
  CHECK_THROWS_AS(c.kept.replay(c, {1}, [&] { throw std::runtime_error("midway"); }), std::runtime_error);
  CHECK((!c.records && c.graphs == 0 && c.enqueued == 1));
  c.replay(1);
  CHECK((c.graphs == 1 && c.enqueued == 2));
}
