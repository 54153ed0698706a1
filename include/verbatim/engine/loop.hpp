// The step loop: take in, schedule, pack, forward, sample, deliver. One thread drives it; nothing here knows a socket,
// and nothing in a step allocates once the requests are taken in (their vectors are reserved then).
#pragma once
#include <algorithm>
#include <atomic>
#include <concepts>
#include <exception>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "verbatim/backend/step.hpp"
#include "verbatim/engine/deliver.hpp"
#include "verbatim/engine/engine.hpp"
#include "verbatim/engine/intake.hpp"
#include "verbatim/engine/load.hpp"
#include "verbatim/engine/validate.hpp"
#include "verbatim/schedule/batch.hpp"

namespace verbatim::detail {

template <class P> class loop {
 public:
  using text_type = typename P::text;
  using continuation_type = continuation<typename text_type::stream>;
  using sampler = typename P::sampler;

  loop(loaded_parts<P>& parts, inbox& jobs, engine_config const& c)
      : parts_(&parts), jobs_(&jobs), book_(make_book<P>(parts, c)),
        deliver_(parts.text ? &*parts.text : nullptr, parts.context, stats_),
        limits_{parts.config.vocabulary, parts.context, c.max_logprobs}, max_batch_(c.max_batch) {
    std::size_t const rows = std::size_t(parts.limits.tokens), outputs = std::size_t(parts.limits.outputs);
    ids_.resize(rows), positions_.resize(rows), output_rows_.resize(outputs), tasks_.resize(outputs);
    slices_.reserve(std::size_t(parts.limits.slices)), in_step_.reserve(std::size_t(parts.limits.slices));
    tops_.resize(outputs * std::size_t(c.max_logprobs));
    spare_row_.resize(std::size_t(parts.config.vocabulary));
    stats_.pages_total = parts.limits.pages;
    warm_threads();
  }
  ~loop() {
    for (auto& c : all_)
      if (c->state != phase::finished) end(*c, finish_reason::cancelled);
    job j;
    while (jobs_->pop(j)) {
      std::size_t const first = all_.size();
      take_in(std::move(j));
      for (std::size_t i = first; i < all_.size(); ++i) end(*all_[i], finish_reason::cancelled);
    }
  }

  int max_logprobs() const noexcept { return limits_.max_logprobs; }

  bool poll() {
    take_in_all();
    drop_cancelled();
    sweep();
    if (running_.empty() && waiting_.empty()) {
      publish();
      return false;
    }
    try {
      plan();
      pack();
      if (!in_step_.empty()) run_step();
    } catch (std::exception const& e) {   // memory, or a bug: the requests hear of it, the engine stays usable
      for (auto& c : all_) end(*c, finish_reason::error, std::string("[verbatim.engine.6] the step failed: ") + e.what());
    }
    sweep();
    publish();
    return true;
  }

 private:
  /// Every thread of the pool makes its scratch for sampling now. Each index waits for all of them, so that no thread
  /// can take two.
  void warm_threads() {
    if constexpr (requires(int v) { sampler::warm(v); }) {
      int const threads = parts_->limits.threads;
      std::atomic<int> ready{0};
      parts_->model->backend().parallel(threads, [&](int) {
        sampler::warm(limits_.vocabulary);
        for (++ready; ready.load() < threads;) std::this_thread::yield();
      });
    }
  }

  // ---- requests in and out

  void take_in_all() {
    job j;
    while (jobs_->pop(j)) take_in(std::move(j));
  }

  void take_in(job j) {
    auto const g = make_group(std::move(j), parts_->config.eos, ++arrivals_, limits_);
    std::string const why = why_invalid(g->ask(), limits_);
    std::size_t const first = all_.size();
    for (int k = 0; k < g->open; ++k) all_.push_back(make_continuation<typename text_type::stream>(g, k, limits_, parts_->text.has_value()));
    if (!why.empty()) {
      for (std::size_t i = first; i < all_.size(); ++i) end(*all_[i], finish_reason::error, "[verbatim.engine.3] " + why);
      return;
    }
    for (std::size_t i = first; i < all_.size(); ++i) prepare_counts(*all_[i], limits_.vocabulary);
    if (g->wants_prompt()) prepare_scores(*g);
    waiting_.push_back(all_[first].get());
    stats_.prompt_tokens += g->ask().prompt.size();
  }

  void drop_cancelled() {
    for (auto& c : all_)
      if (c->state != phase::finished && c->owner->cancelled()) end(*c, finish_reason::cancelled);
  }

  /// Ends a continuation from outside of the normal course, and with it those that wait for its prompt.
  void end(continuation_type& c, finish_reason why, std::string_view error = {}) {
    if (c.state == phase::finished) return;
    release(c);
    deliver_.finish(c, why, -1, nullptr, error);
    if (c.index != 0 || c.owner->open == 0) return;
    for (auto& other : all_)
      if (other->owner == c.owner && other->state == phase::forking) deliver_.finish(*other, why, -1, nullptr, error);
  }

  void release(continuation_type& c) {
    if (c.state == phase::running) book_.release(c.handle);
    c.computed = 0;
  }

  /// Forgets what has finished.
  void sweep() {
    auto const gone = [](auto const* c) { return c->state == phase::finished; };
    std::erase_if(running_, gone);
    std::erase_if(waiting_, gone);
    std::erase_if(all_, [&](auto& c) {
      if (c->state != phase::finished) return false;
      if (c->owner->open == 0 && !std::exchange(c->owner->counted, true)) jobs_->finished();
      return true;
    });
  }

  void publish() {
    stats_.running = int(running_.size());
    stats_.waiting = int(waiting_.size());
    stats_.pages_used = book_.used_pages();
    jobs_->publish(stats_);
  }

  // ---- one step

  static constexpr std::uint32_t waiting_bit = 0x80000000u;
  /// A row of logits and what is wanted from it: the log-probability of prompt[target], or (target < 0) a new token.
  struct task {
    continuation_type* who;
    int target;
    sampled result;
  };
  struct planned {
    continuation_type* who;
    int tokens;
  };

  int adoptable(continuation_type const& c, int matched) const {
    if (!c.owner->prompt_done()) return 0;   // every prompt position is wanted, so every one is computed
    int const most = (int(c.ids.size()) - 1) / P::cache::page * P::cache::page;   // at least one token must run
    return std::min(matched, most);
  }

  void plan() {
    running_views_.clear(), waiting_views_.clear(), batch_.clear();
    for (std::size_t i = 0; i < running_.size(); ++i) {
      auto const& c = *running_[i];
      running_views_.push_back({.id = std::uint32_t(i), .tokens = int(c.ids.size()), .computed = c.computed,
                                .pages = int(book_.pages(c.handle).size()), .shared = book_.shared_pages(c.handle)});
    }
    std::size_t const room = std::min<std::size_t>({waiting_.size(), std::size_t(max_batch_) - running_.size(), most_heads});
    for (std::size_t i = 0; i < room; ++i) {
      auto const& c = *waiting_[i];
      auto const found = book_.match(c.ids);
      int const adopt = adoptable(c, found.tokens);
      waiting_views_.push_back({std::uint32_t(i) | waiting_bit, int(c.ids.size()), adopt, adopt ? found.free_pages : 0});
    }
    batch_.limits = {parts_->limits.tokens, max_batch_, book_.free_pages(), P::cache::page};
    policy_(std::span<waiting const>(waiting_views_), std::span<running const>(running_views_), batch_);
    carry_out();
  }

  /// Turns the policy's decisions into sequences with pages.
  void carry_out() {
    chosen_.clear();
    for (scheduled const& s : batch_.run)
      chosen_.push_back({s.id & waiting_bit ? waiting_[s.id & ~waiting_bit] : running_[s.id], s.tokens});
    for (std::uint32_t id : batch_.preempt) {
      release(*running_[id]);
      running_[id]->state = phase::waiting;
      preempted_.push_back(running_[id]);
      ++stats_.preemptions;
    }
    for (std::uint32_t id : batch_.admit) admit(*waiting_[id & ~waiting_bit]);
    if (!batch_.admit.empty()) std::erase_if(waiting_, [](auto* c) { return c->state != phase::waiting; });
    std::erase_if(running_, [](auto* c) { return c->state != phase::running; });
    for (auto* c : preempted_) enqueue(*c);
    preempted_.clear();
  }

  void admit(continuation_type& c) {
    int const adopt = adoptable(c, book_.match(c.ids).tokens);
    auto const handle = book_.open(c.ids, adopt);
    if (!handle) return;
    stats_.prefix_queries += c.ids.size();
    stats_.prefix_hits += std::uint64_t(adopt);
    if (!c.announced) c.cached = adopt, stats_.cached_tokens += std::uint64_t(adopt);
    c.handle = *handle;
    c.computed = adopt;
    c.state = phase::running;
    running_.push_back(&c);
  }

  /// Into the queue, by order of arrival: who was preempted is served before who came later.
  void enqueue(continuation_type& c) {
    c.state = phase::waiting;
    auto const key = [](auto const* x) { return std::pair(x->owner->arrival, x->index); };
    waiting_.insert(std::upper_bound(waiting_.begin(), waiting_.end(), &c,
                                     [&](auto const* a, auto const* b) { return key(a) < key(b); }), &c);
  }

  void pack() {
    slices_.clear(), in_step_.clear();
    step_ = {0, ids_.data(), positions_.data(), 0, nullptr, 0, output_rows_.data()};
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      auto& c = *chosen_[i].who;
      if (c.state != phase::running) continue;
      // Scoring a prompt wants logits of every row; one output is kept for each slice that is still to come.
      int const outputs_left = parts_->limits.outputs - step_.outputs - int(chosen_.size() - i - 1);
      int const n = c.owner->prompt_done() ? chosen_[i].tokens : std::min(chosen_[i].tokens, outputs_left);
      if (n >= 1 && book_.reserve(c.handle, n)) add_slice(c, n);
    }
    step_.slices = int(slices_.size());
    step_.slice_of = slices_.data();
    if (in_step_.empty() && !running_.empty()) make_room();
  }

  /// Nothing could run although sequences are there: the youngest gives way; one alone can never fit.
  void make_room() {
    auto& c = *running_.back();
    if (running_.size() == 1)
      return end(c, finish_reason::error, "[verbatim.engine.4] the KV cache has no room for this sequence alone");
    release(c);
    ++stats_.preemptions;
    running_.pop_back();
    enqueue(c);
  }

  void add_slice(continuation_type& c, int n) {
    slices_.push_back({step_.tokens, n, c.computed, book_.pages(c.handle).data()});
    in_step_.push_back({&c, n});
    group const& g = *c.owner;
    int const known = int(c.ids.size());
    for (int i = 0; i < n; ++i) {
      int const row = step_.tokens++, position = c.computed + i;
      ids_[std::size_t(row)] = c.ids[std::size_t(position)];
      positions_[std::size_t(row)] = position;
      bool const scores = g.wants_prompt() && position + 1 < c.prompt_size() && position + 1 >= g.scored;
      bool const samples = position + 1 == known && g.ask().max_tokens > 0;
      if (!scores && !samples) continue;
      tasks_[std::size_t(step_.outputs)] = {&c, scores ? position + 1 : -1, {}};
      output_rows_[std::size_t(step_.outputs++)] = row;
    }
  }

  void run_step() {
    for (auto const& copy : book_.copies()) parts_->model->backend().copy_page(copy.from, copy.to);
    book_.copies_done();
    auto const logits = parts_->model->forward(step_);
    auto const row_of = [&](int i) {
      return std::span<float>(logits.data + std::size_t(i) * logits.stride, std::size_t(logits.vocabulary));
    };
    parts_->model->backend().parallel(step_.outputs, [&](int i) {
      task& t = tasks_[std::size_t(i)];
      if (t.target >= 0) t.result = score_token(row_of(i), t.who->ids[std::size_t(t.target)], top_of(i, t.who->owner->scored_top));
      else if (!forks(*t.who)) t.result = pick(*t.who, row_of(i), top_of(i, t.who->owner->ask().top_logprobs));
    });
    for (planned const& p : in_step_) {
      auto& c = *p.who;
      book_.commit(c.handle, std::span<token const>(c.ids).subspan(std::size_t(c.computed), std::size_t(p.tokens)));
      c.computed += p.tokens;
    }
    ++stats_.steps;
    for (int i = 0; i < step_.outputs; ++i) collect(i, row_of(i));
    finish_scored();
  }

  std::span<score> top_of(int output, int n) {
    return std::span(tops_).subspan(std::size_t(output) * (tops_.size() / tasks_.size()), std::size_t(std::max(0, n)));
  }
  sampled pick(continuation_type const& c, std::span<float> row, std::span<score> top) const {
    return sampler::pick(sampler::prepare(c.sampling, c.history(), int(c.ids.size())), row, top);
  }
  /// True while its siblings still wait for the common prompt.
  static bool forks(continuation_type const& c) {
    return c.index == 0 && c.owner->ask().count > 1 && c.output_size() == 0;
  }

  void collect(int output, std::span<float> row) {
    task& t = tasks_[std::size_t(output)];
    auto& c = *t.who;
    group& g = *c.owner;
    if (t.target >= 0) {
      std::span<score const> const top = top_of(output, g.scored_top);
      std::copy(top.begin(), top.end(), g.prompt_top.begin() + std::ptrdiff_t(t.target) * g.scored_top);
      g.prompt[std::size_t(t.target)].token = t.result;
      g.scored = t.target + 1;
      return;
    }
    std::span<score> const top = top_of(output, g.ask().top_logprobs);
    if (forks(c)) {
      fork_siblings(c, row, top);
      t.result = pick(c, row, top);
    }
    hand_over(c, t.result, top);
  }

  void hand_over(continuation_type& c, sampled const& s, std::span<score const> top) {
    if (s.id < 0) return end(c, finish_reason::error, "[verbatim.engine.5] the model gave logits that are not numbers");
    deliver_.announce(c);
    auto const handle = c.handle;
    bool const held = c.state == phase::running;
    if (deliver_.token(c, s, top) && held) book_.release(handle);
  }

  /// The prompt of a group is computed: each sibling samples its first token from the same logits and shares the pages.
  void fork_siblings(continuation_type& first, std::span<float const> row, std::span<score> top) {
    for (auto& c : all_) {
      if (c->owner != first.owner || c->state != phase::forking) continue;
      std::copy(row.begin(), row.end(), spare_row_.begin());
      sampled const s = pick(*c, spare_row_, top);
      auto const handle = int(running_.size()) < max_batch_ ? book_.fork(first.handle) : std::nullopt;
      c->cached = first.cached;
      if (handle) {
        c->handle = *handle;
        c->computed = first.computed;
        c->state = phase::running;
        running_.push_back(c.get());
      } else {
        c->state = phase::waiting;   // its prompt's full pages are in the prefix index
      }
      hand_over(*c, s, top);
      if (c->state == phase::waiting) enqueue(*c);
    }
  }

  /// Requests that only score end when their prompt is computed.
  void finish_scored() {
    for (planned const& p : in_step_) {
      auto& c = *p.who;
      if (c.state != phase::running || c.owner->ask().max_tokens > 0 || c.computed < c.prompt_size()) continue;
      for (auto& other : all_) {
        if (other->owner != c.owner || other->state == phase::finished) continue;
        deliver_.announce(*other);
        end(*other, finish_reason::length);
      }
    }
  }

  static constexpr std::size_t most_heads = 16;   // of the queue are looked up in the prefix index per step

  loaded_parts<P>* parts_;
  inbox* jobs_;
  typename P::cache::book book_;
  typename P::schedule policy_{};
  engine_stats stats_{};
  delivery<text_type> deliver_;
  request_limits limits_;
  int max_batch_;
  std::uint64_t arrivals_ = 0;

  std::vector<std::unique_ptr<continuation_type>> all_;
  std::vector<continuation_type*> waiting_, running_, preempted_;   // by arrival; by admission; scratch

  std::vector<waiting> waiting_views_;
  std::vector<running> running_views_;
  batch batch_;
  std::vector<planned> chosen_, in_step_;
  std::vector<slice> slices_;
  std::vector<token> ids_;
  std::vector<int> positions_, output_rows_;
  std::vector<task> tasks_;
  std::vector<score> tops_;
  std::vector<float> spare_row_;
  step step_{};
};

}  // namespace verbatim::detail
