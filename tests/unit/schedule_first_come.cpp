// The policy in a simulation with its own page accounting: prompts share nothing, pages come back at once.
#include "verbatim/schedule/first_come.hpp"

#include <algorithm>
#include <deque>
#include <random>

#include "catch.hpp"

using namespace verbatim;

namespace {

struct job_state {
  std::uint32_t id;
  int tokens, computed, pages, target;   ///< target: tokens at which it ends
  int preempted = 0;
};

class world {
 public:
  world(unsigned seed, batch_limits limits) : random_(seed), limits_(limits), total_(limits.free_pages) {
    std::uint32_t const jobs = 1 + random_() % 12;
    int const longest = total_ * limits.page;
    for (std::uint32_t i = 0; i < jobs; ++i) {
      int const prompt = 1 + int(random_() % unsigned(longest));
      int const target = std::min(longest, prompt + 1 + int(random_() % 40));
      arriving_.push_back({i, prompt, 0, 0, std::max(target, prompt)});
    }
  }
  void run() {
    for (int steps = 0; !arriving_.empty() || !waiting_.empty() || !running_.empty(); ++steps) {
      while (!arriving_.empty() && (random_() % 3 == 0 || (waiting_.empty() && running_.empty()))) {
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
    for (auto const& j : waiting_) w.push_back({j.id, j.tokens, 0, 0});
    for (auto const& j : running_) r.push_back({j.id, j.tokens, j.computed, j.pages});
    out_.limits = limits_;
    out_.limits.free_pages = free();
    first_come{}(w, r, out_);

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
    for (std::uint32_t id : out_.admit) {   // in queue order, no one overtakes
      REQUIRE(out_.preempt.empty());
      REQUIRE(!waiting_.empty());
      REQUIRE(waiting_.front().id == id);
      running_.push_back(waiting_.front());
      waiting_.pop_front();
    }
    for (auto& j : back) j.computed = j.pages = 0, ++j.preempted, waiting_.push_front(j);
    REQUIRE(int(running_.size()) <= limits_.sequences);

    std::vector<std::uint32_t> decoding;
    for (std::size_t i = 0; i < before; ++i)
      if (running_[i].tokens - running_[i].computed == 1) decoding.push_back(running_[i].id);
    execute(decoding);
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
    for (auto& j : running_)
      if (j.computed == j.tokens) ++j.tokens;                // samples the next one
    std::erase_if(running_, [](auto const& j) { return j.tokens > j.target; });
  }

  std::mt19937 random_;
  batch_limits limits_;
  int total_;
  std::deque<job_state> arriving_, waiting_;
  std::vector<job_state> running_;
  batch out_;
};

}  // namespace

TEST_CASE("schedule/first_come ends every request on ten thousand random traces without over-commitment") {
  std::mt19937 r(11);
  for (unsigned trace = 0; trace < 10000; ++trace) {
    int const sequences = 1 + int(r() % 6);
    int const rows = sequences + 1 + int(r() % 30), pages = 1 + int(r() % 24), page = 1 << (r() % 4);
    batch_limits const limits{rows, sequences, pages, page, 1 + int(r() % 40)};
    INFO("trace " << trace << ": rows " << limits.tokens << ", sequences " << sequences << ", pages " << limits.free_pages
                  << " of " << limits.page);
    world(trace, limits).run();
  }
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

TEST_CASE("schedule/first_come: a head that does not fit blocks those behind it") {
  std::vector<waiting> const w{{3, 1000, 0, 0}, {4, 1, 0, 0}};
  std::vector<running> const r{{1, 10, 9, 1}};
  batch b;
  b.limits = {64, 8, 5, 16};
  first_come{}(w, r, b);
  CHECK(b.admit.empty());
  CHECK(b.run.size() == 1);
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
