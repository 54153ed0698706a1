// The policy over a real book on ten thousand random traces: prompts with common beginnings (pages that are cached, held by others, or
// evicted by the time they are wanted), answers that fork from one prompt, and memory that is short.
// Held on every step: what the policy schedules finds its pages (rows, pages and sequences within their limits, counting what preemption
// gives back), every decoding sequence that is not preempted runs, and something runs or gives way. Held for every sequence: each position
// of its pages holds what was written for its own tokens, whenever it runs, gives way or ends, so no page is used after it was given
// back, nor given to two. Held for every admission: who passes others may (schedule_passing.hpp). Held for every request: it ends, and its
// first token comes before all that came before it, and all that passed it, could have been computed one row a step. In the end every page
// is free, once.
#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "catch.hpp"
#include "conformance/laws/kv_cache.hpp"
#include "schedule_passing.hpp"
#include "verbatim/cache/paged.hpp"
#include "verbatim/schedule/first_come.hpp"

using namespace verbatim;

namespace {

struct counts {
  long hits = 0, shared = 0, evicted = 0, forks = 0, preempted = 0, passed = 0, requests = 0;
  passing::counts passing{};
};

struct answer {
  std::uint32_t id;
  std::vector<token> ids;
  int prompt, target, answers;   ///< answers: of its request that are still to fork from it
  int arrived = 0, stalls = 0, passed = 0, known = 0;
  std::set<std::uint32_t> passers{};     ///< requests that were admitted while it waited for its first token
  std::uint32_t request() const { return id / 8; }
};

template <int Page> class world {
  using simulation = laws::simulation<paged<Page>>;
  using answers = std::vector<std::unique_ptr<answer>>;

 public:
  world(unsigned seed, batch_limits limits, counts& n) : random_(seed), limits_(limits), cache_(limits.free_pages), n_(&n) {
    int const longest = limits.free_pages * Page, prompts = 1 + below(10);
    std::vector<token> const stem = text(longest);
    for (int i = 0; i < prompts; ++i) {
      auto a = std::make_unique<answer>();
      int const prompt = 1 + below(longest);
      a->ids.assign(stem.begin(), stem.begin() + std::min(prompt, below(3) * Page + below(longest)));   // begins as others do
      for (token t : text(prompt - int(a->ids.size()))) a->ids.push_back(t);
      a->id = std::uint32_t(i) * 8, a->prompt = prompt, a->target = std::min(longest, prompt + below(3 * Page));
      a->answers = below(3) ? 0 : below(4);
      tokens_.push_back(long(a->target) * (1 + a->answers));
      arriving_.push_back(std::move(a));
    }
    n.requests += prompts;
  }

  void run() {
    for (; !arriving_.empty() || !waiting_.empty() || !running_.empty(); ++now_) {
      while (!arriving_.empty() && (below(3) == 0 || (waiting_.empty() && running_.empty()))) {
        arriving_.front()->arrived = now_, arriving_.front()->stalls = stalls_;
        enqueue(std::move(arriving_.front()));
        arriving_.pop_front();
      }
      step();
      REQUIRE(now_ < 20000);
    }
    cache_.verify_counts();
    REQUIRE(cache_.book.free_pages() == cache_.book.total_pages());
  }

 private:
  int below(int n) { return n > 0 ? int(random_() % unsigned(n)) : 0; }
  std::vector<token> text(int n) {
    std::vector<token> out;
    for (int i = 0; i < n; ++i) out.push_back(below(1000));
    return out;
  }
  void enqueue(std::unique_ptr<answer> a) {
    auto const at = std::find_if(waiting_.begin(), waiting_.end(), [&](auto const& other) { return other->id > a->id; });
    waiting_.insert(at, std::move(a));
  }
  int computed(std::size_t i) const { return int(cache_.open[i].ids.size()); }   // sequences are open in the order of running_
  static std::vector<token> reusable(answer const& a) { return {a.ids.begin(), a.ids.end() - 1}; }

  void step() {
    std::vector<waiting> w;
    std::vector<running> r;
    for (auto const& a : waiting_) {
      auto const found = cache_.book.match(reusable(*a));
      w.push_back({a->id, int(a->ids.size()), found.tokens, found.free_pages, a->passed});
    }
    for (std::size_t i = 0; i < running_.size(); ++i) {
      auto const handle = cache_.open[i].handle;
      r.push_back({running_[i]->id, int(running_[i]->ids.size()), computed(i), int(cache_.book.pages(handle).size()), cache_.book.shared_pages(handle)});
      n_->shared += r.back().shared;
    }
    out_.limits = limits_;
    out_.limits.free_pages = cache_.book.free_pages();
    first_come{}(w, r, out_);
    REQUIRE((!out_.run.empty() || !out_.preempt.empty()));   // progress
    passing::check(w, r, out_, n_->passing);

    std::vector<std::unique_ptr<answer>> back;
    for (std::uint32_t id : out_.preempt) {
      REQUIRE(running_.size() > 1);
      REQUIRE(running_.back()->id == id);
      running_.back()->known = computed(running_.size() - 1);
      cache_.end(running_.size() - 1);
      back.push_back(std::move(running_.back()));
      running_.pop_back();
      ++n_->preempted;
    }
    std::vector<std::uint32_t> decoding;
    for (std::size_t i = 0; i < running_.size(); ++i)
      if (r[i].tokens - r[i].computed == 1) decoding.push_back(r[i].id);
    for (std::uint32_t id : out_.admit) admit(id);
    for (auto& a : back) enqueue(std::move(a));
    for (std::uint32_t id : out_.passed)
      for (auto& a : waiting_)
        if (a->id == id) REQUIRE(++a->passed <= first_come::most_passed);
    n_->passed += long(out_.passed.size());
    REQUIRE(int(running_.size()) <= limits_.sequences);
    execute(decoding);
    deliver();
    if (now_ % 8 == 0) cache_.verify_counts();
  }

  void admit(std::uint32_t id) {
    auto const it = std::find_if(waiting_.begin(), waiting_.end(), [&](auto const& a) { return a->id == id; });
    REQUIRE(it != waiting_.end());
    answer& a = **it;
    for (auto before = waiting_.begin(); before != it; ++before) {
      REQUIRE(std::count(out_.passed.begin(), out_.passed.end(), (*before)->id) > 0);   // and below, eight times at most
      (*before)->passers.insert(a.request());
    }
    REQUIRE(cache_.start(reusable(a)));
    int const adopted = computed(running_.size());
    n_->hits += adopted > 0;
    n_->evicted += adopted < std::min(a.known, int(a.ids.size()) - 1) / Page * Page;   // of what it had, when it gave way, something is gone
    running_.push_back(std::move(*it));
    waiting_.erase(it);
  }

  void execute(std::vector<std::uint32_t> const& decoding) {
    int rows = 0;
    std::set<std::uint32_t> seen;
    for (auto const [id, n] : out_.run) {
      auto const it = std::find_if(running_.begin(), running_.end(), [&](auto const& a) { return a->id == id; });
      REQUIRE(it != running_.end());
      REQUIRE(seen.insert(id).second);
      std::size_t const i = std::size_t(it - running_.begin());
      int const at = computed(i);
      REQUIRE((n >= 1 && n <= int((*it)->ids.size()) - at));
      REQUIRE(cache_.extend(i, {(*it)->ids.begin() + at, (*it)->ids.begin() + at + n}));   // there are pages for it
      rows += n;
    }
    REQUIRE(rows <= limits_.tokens);
    if (out_.preempt.empty())   // else the first may wait a step for pages that it shared with those that gave way
      for (std::uint32_t id : decoding) REQUIRE(seen.count(id) == 1);
    bool const first_ran = running_.empty() || seen.count(running_.front()->id) == 1;
    REQUIRE((first_ran || !out_.preempt.empty()));
    stalls_ += !first_ran;
  }

  /// Samples, forks, and ends what has all its tokens.
  void deliver() {
    for (std::size_t i = 0; i < running_.size();) {
      answer& a = *running_[i];
      bool const done = computed(i) == int(a.ids.size());
      if (done && int(a.ids.size()) == a.prompt) check_wait(a);
      if (done && a.answers > 0) fork(i);
      if (done) running_[i]->ids.push_back(below(1000));
      if (int(running_[i]->ids.size()) <= running_[i]->target) {
        ++i;
        continue;
      }
      cache_.end(i);
      running_.erase(running_.begin() + std::ptrdiff_t(i));
    }
  }
  void fork(std::size_t i) {
    for (int k = 1; running_[i]->answers > 0; ++k, --running_[i]->answers) {
      auto sibling = std::make_unique<answer>(*running_[i]);
      sibling->id += std::uint32_t(k), sibling->answers = 0, sibling->known = 0;
      sibling->ids.push_back(below(1000));
      if (int(sibling->ids.size()) > sibling->target) continue;
      if (int(running_.size()) < limits_.sequences && cache_.fork(i)) running_.push_back(std::move(sibling)), ++n_->forks;
      else enqueue(std::move(sibling));
    }
  }
  /// A step in which another was first ran a row of that one, unless it stalled.
  void check_wait(answer const& a) const {
    long bound = a.prompt + stalls_ - a.stalls;
    for (std::uint32_t r = 0; r < tokens_.size(); ++r)
      if (r < a.request() || a.passers.count(r)) bound += tokens_[r];
    REQUIRE(now_ - a.arrived <= bound);
  }

  std::mt19937 random_;
  batch_limits limits_;
  simulation cache_;
  counts* n_;
  int now_ = 0, stalls_ = 0;
  std::vector<long> tokens_;   ///< of all answers of each request, at their ends
  std::deque<std::unique_ptr<answer>> arriving_, waiting_;
  answers running_;
  batch out_;
};

}  // namespace

TEST_CASE("schedule/first_come over a real book: cached, shared and evicted pages on ten thousand random traces") {
  std::mt19937 r(12);
  counts n;
  for (unsigned trace = 0; trace < 10000; ++trace) {
    int const sequences = 1 + int(r() % 6), page = trace % 2 ? 4 : 8;
    int const rows = sequences + 1 + int(r() % 30), pages = 2 + int(r() % 20);
    batch_limits const limits{rows, sequences, pages, page, 1 + int(r() % 40)};
    INFO("trace " << trace << ": rows " << rows << ", sequences " << sequences << ", pages " << pages << " of " << page << ", chunk " << limits.chunk);
    if (page == 4) world<4>(trace, limits, n).run();
    else world<8>(trace, limits, n).run();
  }
  CAPTURE(n.hits, n.shared, n.evicted, n.forks, n.preempted, n.passed, n.passing.by_pages, n.passing.by_rows, n.passing.beside_long);
  // the traces do meet these
  for (long const* seen : {&n.hits, &n.shared, &n.evicted, &n.forks, &n.preempted, &n.passed, &n.passing.by_pages, &n.passing.beside_long}) CHECK(*seen > 500);
  CHECK(n.passing.by_rows > 30);   // memory that is short has seldom room for who is passed
}
