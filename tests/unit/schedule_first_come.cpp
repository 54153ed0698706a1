// The policy in a simulation with its own page accounting: prompts share nothing, pages come back at once (where they do not, and in a
// real book, is schedule_traces.cpp). Held on every step: rows, pages and sequences stay within their limits; decoding is complete and
// comes first; the first always advances; who comes before others is passed by the rules only. Held for every request: it ends, and its
// first token comes before all that came before it, and all that passed it, could have been computed one row a step.
#include "verbatim/schedule/first_come.hpp"

#include <algorithm>
#include <deque>
#include <random>
#include <set>

#include "catch.hpp"
#include "schedule_passing.hpp"

using namespace verbatim;

namespace {

struct job_state {
  std::uint32_t id;
  int tokens, computed, pages, target;   ///< target: tokens at which it ends
  int preempted = 0, passed = 0;
  int prompt = tokens, arrived = 0;
  std::set<std::uint32_t> passers{};     ///< later ones that were admitted while it waited for its first token
};

class world {
 public:
  world(unsigned seed, batch_limits limits, passing::counts& n) : random_(seed), limits_(limits), total_(limits.free_pages), n_(&n) {
    std::uint32_t const jobs = 1 + random_() % 12;
    int const longest = total_ * limits.page;
    for (std::uint32_t i = 0; i < jobs; ++i) {
      int const most = random_() % 2 ? longest : std::max(1, longest / 16), prompt = 1 + int(random_() % unsigned(most));   // some are brief
      int const target = std::min(longest, prompt + 1 + int(random_() % 40));
      arriving_.push_back({i, prompt, 0, 0, std::max(target, prompt)});
      targets_.push_back(std::max(target, prompt));
    }
  }
  void run() {
    for (int& steps = now_; !arriving_.empty() || !waiting_.empty() || !running_.empty(); ++steps) {
      while (!arriving_.empty() && (random_() % 3 == 0 || (waiting_.empty() && running_.empty()))) {
        arriving_.front().arrived = now_;
        waiting_.push_back(arriving_.front());
        arriving_.pop_front();
      }
      step();
      REQUIRE(steps < 20000);   // every request ends
    }
    REQUIRE(free() == total_);
  }

 private:
  int free() const {
    int n = total_;
    for (auto const& j : running_) n -= j.pages;
    return n;
  }
  job_state* find(std::uint32_t id) {
    auto const it = std::find_if(running_.begin(), running_.end(), [&](auto const& j) { return j.id == id; });
    return it == running_.end() ? nullptr : &*it;
  }

  void step() {
    std::vector<waiting> w;
    std::vector<running> r;
    for (auto const& j : waiting_) w.push_back({j.id, j.tokens, 0, 0, j.passed});
    for (auto const& j : running_) r.push_back({j.id, j.tokens, j.computed, j.pages});
    out_.limits = limits_;
    out_.limits.free_pages = free();
    first_come{}(w, r, out_);
    passing::check(w, r, out_, *n_);

    // Preempted: from the back, never the first, and only when the decoding need exceeds what is free.
    int needed = 0;
    for (std::size_t i = 0; i < running_.size(); ++i)
      if (i == 0 || running_[i].tokens - running_[i].computed == 1)
        needed += std::max(0, (running_[i].computed + 1 + limits_.page - 1) / limits_.page - running_[i].pages);
    if (needed <= out_.limits.free_pages) REQUIRE(out_.preempt.empty());
    std::vector<job_state> back;
    for (std::uint32_t id : out_.preempt) {
      REQUIRE(running_.size() > 1);
      REQUIRE(running_.back().id == id);
      back.push_back(running_.back());
      running_.pop_back();
    }
    std::size_t const before = running_.size();
    for (std::uint32_t id : out_.admit) admit(id);
    for (auto& j : back) {
      j.computed = j.pages = 0, ++j.preempted;
      waiting_.insert(std::find_if(waiting_.begin(), waiting_.end(), [&](auto const& other) { return other.id > j.id; }), j);
    }
    for (std::uint32_t id : out_.passed)
      for (auto& j : waiting_)
        if (j.id == id) REQUIRE(++j.passed <= first_come::most_passed);
    REQUIRE(int(running_.size()) <= limits_.sequences);

    std::vector<std::uint32_t> decoding;
    for (std::size_t i = 0; i < before; ++i)
      if (running_[i].tokens - running_[i].computed == 1) decoding.push_back(running_[i].id);
    execute(decoding);
  }

  /// In queue order, but for those who pass (schedule_passing.hpp).
  void admit(std::uint32_t id) {
    REQUIRE(out_.preempt.empty());
    auto const it = std::find_if(waiting_.begin(), waiting_.end(), [&](auto const& j) { return j.id == id; });
    REQUIRE(it != waiting_.end());
    for (auto before = waiting_.begin(); before != it; ++before) {
      REQUIRE(std::count(out_.passed.begin(), out_.passed.end(), before->id) > 0);
      if (before->tokens == before->prompt) before->passers.insert(id);
    }
    running_.push_back(*it);
    waiting_.erase(it);
  }
  /// At its first token: each step in which another was first ran a row of that one.
  void check_wait(job_state const& j) const {
    long bound = j.prompt;
    for (std::uint32_t id = 0; id < j.id; ++id) bound += targets_[id];
    for (std::uint32_t id : j.passers) bound += targets_[id];
    REQUIRE(now_ - j.arrived <= bound);
  }

  void execute(std::vector<std::uint32_t> const& decoding) {
    int rows = 0;
    bool first_ran = running_.empty();
    std::vector<std::uint32_t> seen;
    for (std::size_t i = 0; i < out_.run.size(); ++i) {
      auto const [id, n] = out_.run[i];
      job_state* j = find(id);
      REQUIRE(j);
      REQUIRE(std::find(seen.begin(), seen.end(), id) == seen.end());
      seen.push_back(id);
      REQUIRE(n >= 1);
      REQUIRE(n <= j->tokens - j->computed);
      if (i < decoding.size()) REQUIRE(id == decoding[i]);   // decoding comes first and is complete
      if (j == &running_.front()) first_ran = true;
      rows += n;
      j->computed += n;
      j->pages = std::max(j->pages, (j->computed + limits_.page - 1) / limits_.page);
      REQUIRE(free() >= 0);                                  // pages are never over-committed
    }
    REQUIRE(out_.run.size() >= decoding.size());
    REQUIRE(rows <= limits_.tokens);
    REQUIRE(first_ran);                                      // progress in each step
    if (running_.empty()) REQUIRE(waiting_.empty());
    for (auto& j : running_) {
      if (j.computed < j.tokens) continue;
      if (j.tokens++ == j.prompt) check_wait(j);             // samples the next one
    }
    std::erase_if(running_, [](auto const& j) { return j.tokens > j.target; });
  }

  std::mt19937 random_;
  batch_limits limits_;
  int total_, now_ = 0;
  passing::counts* n_;
  std::vector<int> targets_;
  std::deque<job_state> arriving_, waiting_;
  std::vector<job_state> running_;
  batch out_;
};

}  // namespace

TEST_CASE("schedule/first_come ends every request on ten thousand random traces without over-commitment") {
  std::mt19937 r(11);
  passing::counts n;
  for (unsigned trace = 0; trace < 10000; ++trace) {
    int const sequences = 1 + int(r() % 6);
    int const rows = sequences + 1 + int(r() % 30), pages = 1 + int(r() % (trace % 2 ? 24 : 120)), page = 1 << (r() % 4);   // memory is short, or not
    batch_limits const limits{rows, sequences, pages, page, 1 + int(r() % 40)};
    INFO("trace " << trace << ": rows " << limits.tokens << ", sequences " << sequences << ", pages " << limits.free_pages
                  << " of " << limits.page);
    world(trace, limits, n).run();
  }
  CAPTURE(n.by_pages, n.by_rows, n.beside_long);
  CHECK((n.by_pages > 5000 && n.by_rows > 100 && n.beside_long > 5000));   // the traces do meet these
}

TEST_CASE("schedule/first_come runs decoding first, then prefill, then admits in order") {
  std::vector<running> const r{{1, 100, 40, 3}, {2, 50, 49, 4}};
  std::vector<waiting> const w{{3, 10, 0, 0}, {4, 10, 0, 0}};
  batch b;
  b.limits = {70, 8, 100, 16};
  first_come{}(w, r, b);
  REQUIRE(b.run.size() == 3);
  CHECK((b.run[0].id == 2 && b.run[0].tokens == 1));
  CHECK((b.run[1].id == 1 && b.run[1].tokens == 60));
  CHECK((b.run[2].id == 3 && b.run[2].tokens == 9));   // what is left of the rows
  CHECK(b.admit == std::vector<std::uint32_t>{3});
  CHECK(b.preempt.empty());
}

TEST_CASE("schedule/first_come: beside decoding no more rows are for prompts than limits.chunk") {
  std::vector<running> const decoding{{1, 100, 40, 7}, {2, 50, 49, 4}}, filling{{1, 100, 40, 7}};
  std::vector<waiting> const w{{3, 10, 0, 0}, {4, 10, 0, 0}};
  batch b;
  b.limits = {100, 8, 100, 16, 64};
  first_come{}(w, decoding, b);
  REQUIRE(b.run.size() == 3);
  CHECK((b.run[1].tokens == 60 && b.run[2].tokens == 4));
  first_come{}(w, filling, b);   // nobody waits for the step
  REQUIRE(b.run.size() == 3);
  CHECK((b.run[0].tokens == 60 && b.run[1].tokens == 10 && b.run[2].tokens == 10));
}

TEST_CASE("schedule/first_come: a short prompt does not wait for a long one, which keeps three quarters") {
  batch b;
  b.limits = {512, 8, 4000, 16, 48};
  std::vector<running> r{{1, 100, 99, 7}, {2, 32768, 480, 30}};
  std::vector<waiting> const brief{{3, 8, 0, 0}, {4, 8, 0, 0}}, lengthy{{3, 9000, 0, 0}};
  first_come{}(brief, r, b);
  CHECK(b.admit == std::vector<std::uint32_t>{3});
  REQUIRE(b.run.size() == 3);
  CHECK((b.run[1].id == 2 && b.run[1].tokens == 40 && b.run[2].id == 3 && b.run[2].tokens == 8));
  first_come{}(lengthy, r, b);   // not much shorter
  CHECK(b.admit.empty());
  CHECK((b.run.size() == 2 && b.run[1].tokens == 48));
  r.push_back({5, 20000, 16, 1}), r.push_back({6, 100, 16, 1});   // the last one goes along
  first_come{}(lengthy, r, b);
  REQUIRE(b.run.size() == 3);
  CHECK((b.run[1].id == 2 && b.run[1].tokens == 36 && b.run[2].id == 6 && b.run[2].tokens == 12));
  b.limits.free_pages = 2;   // the first one's pages come first; what the head cannot take is not lost
  first_come{}(brief, std::span(r).first(2), b);
  CHECK(b.admit.empty());
  REQUIRE(b.run.size() == 2);
  CHECK(b.run[1].tokens == 32);
}

TEST_CASE("schedule/first_come: a head that does not fit is passed eight times by prompts of a quarter of its pages, then it blocks") {
  std::vector<running> const r{{1, 10, 9, 1}};
  batch b;
  b.limits = {64, 8, 6, 16};
  std::vector<waiting> w{{3, 160, 0, 0}, {4, 64, 0, 0}, {5, 48, 0, 0}, {6, 1, 0, 0}};   // 10 pages, 4, 3 and 1
  first_come{}(w, r, b);
  CHECK(b.admit == std::vector<std::uint32_t>{6});   // the second and the third fit, but need too much to pass the first
  CHECK(b.passed == std::vector<std::uint32_t>{3, 4, 5});
  CHECK(b.run.size() == 2);
  w[0].passed = first_come::most_passed - 1, w[1].tokens = 1;
  first_come{}(w, r, b);
  CHECK(b.admit == std::vector<std::uint32_t>{4});
  CHECK(b.passed == std::vector<std::uint32_t>{3});
  w[0].passed = first_come::most_passed;
  first_come{}(w, r, b);
  CHECK((b.admit.empty() && b.passed.empty() && b.run.size() == 1));
  w[0].tokens = 64;   // it fits
  first_come{}(w, r, b);
  CHECK(b.admit.front() == 3);
  CHECK(b.passed.empty());
}

TEST_CASE("schedule/first_come: a short prompt need not wait for long ones, one that runs and others before it") {
  batch b;
  b.limits = {512, 8, 4000, 16, 48};
  std::vector<running> r{{1, 100, 99, 7}, {2, 16384, 480, 30}};
  std::vector<waiting> w{{3, 16000, 0, 0}, {4, 16000, 0, 0}, {5, 8, 0, 0}};
  first_come{}(w, r, b);
  CHECK(b.admit == std::vector<std::uint32_t>{5});
  CHECK(b.passed == std::vector<std::uint32_t>{3, 4});
  REQUIRE(b.run.size() == 3);
  CHECK((b.run[1].id == 2 && b.run[1].tokens == 40 && b.run[2].tokens == 8));
  b.limits.free_pages = 2200;   // for one of the two long ones: the other one is passed
  first_come{}(w, r, b);
  CHECK(b.admit == std::vector<std::uint32_t>{5});
  CHECK(b.passed.size() == 2);
  b.limits.free_pages = 4000, w[1].passed = first_come::most_passed;   // now they wait for it
  first_come{}(w, r, b);
  CHECK((b.admit.empty() && b.passed.empty()));
  CHECK((b.run.size() == 2 && b.run[1].tokens == 48));
  w[1].passed = 0, b.limits.sequences = 4;   // their places are theirs
  first_come{}(w, r, b);
  CHECK(b.admit.empty());
  CHECK((b.run.size() == 2 && b.run[1].tokens == 48));
  b.limits.sequences = 8;
  r.push_back({6, 3900, 0, 1});   // who goes along already takes what the long one can spare
  std::vector<waiting> const longer{{3, 16000, 0, 0}, {4, 100, 0, 0}};
  first_come{}(longer, r, b);
  CHECK(b.admit.empty());
  REQUIRE(b.run.size() == 3);
  CHECK((b.run[1].tokens == 36 && b.run[2].id == 6 && b.run[2].tokens == 12));
}

TEST_CASE("schedule/first_come: rows for a short prompt that finds no pages go to one that runs, the shorter one first") {
  batch b;
  b.limits = {512, 8, 20, 16, 48};   // 20 pages are free, and the long one still needs hundreds
  std::vector<running> r{{1, 100, 99, 7}, {2, 16384, 480, 30}, {6, 100, 16, 7}};
  std::vector<waiting> const w{{3, 8, 0, 0}};
  first_come{}(w, r, b);
  CHECK((b.admit.empty() && b.passed.empty()));
  REQUIRE(b.run.size() == 3);
  CHECK((b.run[1].id == 2 && b.run[1].tokens == 40 && b.run[2].id == 6 && b.run[2].tokens == 8));
  r.pop_back();   // nobody else: all rows are the long one's
  first_come{}(w, r, b);
  CHECK(b.admit.empty());
  REQUIRE(b.run.size() == 2);
  CHECK((b.run[1].id == 2 && b.run[1].tokens == 48));
}

TEST_CASE("schedule/first_come: one short prompt goes along in a step, and more than one over the steps, the shorter first") {
  batch b;
  b.limits = {512, 8, 4000, 16, 48};
  std::vector<running> r{{1, 100, 99, 7}, {2, 16384, 480, 30}};
  std::vector<waiting> w{{3, 30, 0, 0}, {4, 10, 0, 0}};
  first_come{}(w, r, b);
  CHECK(b.admit == std::vector<std::uint32_t>{3});
  REQUIRE(b.run.size() == 3);
  CHECK((b.run[1].tokens == 36 && b.run[2].id == 3 && b.run[2].tokens == 12));
  r[1].computed += 36, r.push_back({3, 30, 12, 1}), w.erase(w.begin());
  first_come{}(w, r, b);   // the next one is the head now, and shorter than what is left of the other
  CHECK(b.admit == std::vector<std::uint32_t>{4});
  CHECK(b.passed.empty());
  REQUIRE(b.run.size() == 3);
  CHECK((b.run[1].id == 2 && b.run[1].tokens == 38 && b.run[2].id == 4 && b.run[2].tokens == 10));
  w = {{5, 20, 0, 0}};   // longer than that: first the other comes to its end
  first_come{}(w, r, b);
  CHECK(b.admit.empty());
  REQUIRE(b.run.size() == 3);
  CHECK((b.run[1].tokens == 36 && b.run[2].id == 3 && b.run[2].tokens == 12));
}

TEST_CASE("schedule/first_come: an endless stream of short prompts keeps nobody out, whether they wait for room or for rows") {
  struct each { int tokens, target, computed = 0, passed = 0; };
  auto const pages = [](int n) { return (n + 15) / 16; };
  for (int second : {2000, 15900}) {   // beside the first there is room for it, or there is none until that and most others have ended
    int constexpr all = 1000, rows = 64;
    std::vector<each> waiting_ones{{second, second + 20}}, running_ones{{10000, 10020}};
    batch b;
    int now = 0;
    for (bool admitted = false; !admitted; ++now) {
      REQUIRE(now < 10020 / 30 + 40 * first_come::most_passed);   // what runs, and those that pass, one after another
      if (waiting_ones.size() < 4) waiting_ones.push_back({8, 40});
      std::vector<waiting> w;
      std::vector<running> r;
      int used = 0;
      for (std::size_t i = 0; i < waiting_ones.size(); ++i) w.push_back({std::uint32_t(100 + i), waiting_ones[i].tokens, 0, 0, waiting_ones[i].passed});
      for (std::size_t i = 0; i < running_ones.size(); ++i) {
        each const& e = running_ones[i];
        r.push_back({std::uint32_t(i), e.tokens, e.computed, pages(e.computed)});
        used += pages(e.computed);
      }
      b.limits = {rows, 16, all - used, 16, 48};
      first_come{}(w, r, b);
      REQUIRE(b.preempt.empty());
      for (std::uint32_t id : b.passed) ++waiting_ones[id - 100].passed;
      std::vector<each> next_waiting, next_running;
      for (scheduled const& s : b.run) (s.id < 100 ? running_ones[s.id] : waiting_ones[s.id - 100]).computed += s.tokens;
      next_running = running_ones;
      for (std::size_t i = 0; i < waiting_ones.size(); ++i) {
        bool const goes = std::find(b.admit.begin(), b.admit.end(), 100 + i) != b.admit.end();
        admitted |= goes && waiting_ones[i].target == second + 20;
        (goes ? next_running : next_waiting).push_back(waiting_ones[i]);
      }
      for (each& e : next_running) e.tokens += e.computed == e.tokens;
      std::erase_if(next_running, [](each const& e) { return e.tokens > e.target; });
      running_ones = next_running, waiting_ones = next_waiting;
    }
  }
}

TEST_CASE("schedule/first_come counts cached pages: free only if no one holds them") {
  batch b;
  b.limits = {64, 8, 3, 16};
  std::vector<waiting> held{{1, 80, 64, 0}}, unheld{{1, 80, 64, 4}}, some{{1, 80, 64, 2}};
  first_come{}(held, {}, b);
  REQUIRE(b.run.size() == 1);
  CHECK(b.run[0].tokens == 16);
  first_come{}(unheld, {}, b);
  CHECK(b.admit.empty());
  first_come{}(some, {}, b);
  CHECK(b.admit.size() == 1);
}

TEST_CASE("schedule/first_come preempts the latest admitted, and shared pages do not count as freed") {
  std::vector<running> r{{1, 17, 16, 1}, {2, 17, 16, 1}, {3, 10, 5, 2}};
  batch b;
  b.limits = {64, 8, 0, 16};
  first_come{}({}, r, b);
  CHECK(b.preempt == std::vector<std::uint32_t>{3});
  CHECK(b.run.size() == 2);
  r[2].shared = 2;
  first_come{}({}, r, b);
  CHECK(b.preempt == std::vector<std::uint32_t>{3, 2});
  REQUIRE(b.run.size() == 1);
  CHECK(b.run[0].id == 1);
}
