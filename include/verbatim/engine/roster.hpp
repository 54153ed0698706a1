// Who is in the engine: every continuation from intake to its last event, the queue of those that wait, those that run and
// the pages that they hold. The loop decides what happens; here it is booked, so that a continuation is in one place, its
// pages are given back once, and every submitted request hears `finished` once for each of its continuations.
#pragma once
#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/engine/deliver.hpp"
#include "verbatim/engine/engine.hpp"
#include "verbatim/engine/intake.hpp"
#include "verbatim/engine/load.hpp"
#include "verbatim/engine/validate.hpp"

namespace verbatim::detail {

template <class P> class roster {
 public:
  using text_type = typename P::text;
  using continuation_type = continuation<typename text_type::stream>;
  using pointers = std::vector<continuation_type*>;

  roster(loaded_parts<P>& parts, inbox& jobs, engine_config const& c)
      : eos_(&parts.config.eos), jobs_(&jobs), book_(make_book<P>(parts, c)),
        deliver_(parts.text ? &*parts.text : nullptr, parts.context, stats_),
        limits_{.vocabulary = parts.config.vocabulary, .context = parts.context,
                .max_logprobs = std::min(c.max_logprobs, parts.config.vocabulary), .has_text = parts.text.has_value()},
        max_batch_(c.max_batch) {
    stats_.pages_total = parts.limits.pages;
  }
  roster(roster const&) = delete;
  ~roster() {
    end_all(finish_reason::cancelled);
    while (!jobs_->empty()) {
      take_in_all();
      end_all(finish_reason::cancelled);
    }
  }

  request_limits const& limits() const noexcept { return limits_; }
  engine_stats& stats() noexcept { return stats_; }
  typename P::cache::book& book() noexcept { return book_; }
  pointers const& waiting() const noexcept { return waiting_; }   ///< by arrival
  pointers const& running() const noexcept { return running_; }   ///< by admission
  int free_places() const noexcept { return max_batch_ - int(running_.size()); }

  // ---- requests in and out

  void take_in_all() {
    job j;
    while (jobs_->pop(j)) take_in(j);
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
  void end_all(finish_reason why, std::string_view error = {}) {
    for (auto& c : all_) end(*c, why, error);
  }

  /// The prompt of a group that asks for no output is computed.
  void end_scored(group const& g) {
    for (auto& c : all_)
      if (c->owner.get() == &g && c->state != phase::finished) deliver_.announce(*c);
    for (auto& c : all_)
      if (c->owner.get() == &g) end(*c, finish_reason::length);
  }

  /// An output token of a continuation that runs, or that waits to go on after its first token.
  void hand_over(continuation_type& c, drawn const& d, std::span<score const> top) {
    if (d.token.id < 0) return end(c, finish_reason::error, not_numbers);
    deliver_.announce(c);
    auto const handle = c.handle;
    bool const held = c.state == phase::running;
    if (deliver_.token(c, d, top) && held) book_.release(handle);
  }

  /// Forgets what has finished.
  void sweep() {
    drop_unless(running_, phase::running);
    drop_unless(waiting_, phase::waiting);
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

  // ---- pages

  /// The known tokens whose KV a new sequence may adopt: at least one token must run, and every position of a prompt
  /// whose log-probabilities are wanted.
  static std::span<token const> reusable(continuation_type const& c) {
    return c.owner->prompt_done() ? std::span<token const>(c.ids).first(c.ids.size() - 1) : std::span<token const>();
  }

  /// From waiting to running, where the book has a slot. The queue is tidied by settle().
  /// Whether it could be.
  bool admit(continuation_type& c) {
    if (!equip(c)) return false;
    auto const handle = book_.open(c.ids, book_.match(reusable(c)).tokens);
    if (!handle) return false;
    int const adopted = book_.length(*handle);
    stats_.prefix_queries += c.ids.size();
    stats_.prefix_hits += std::uint64_t(adopted);
    if (!c.announced) c.cached = adopted, stats_.cached_tokens += std::uint64_t(adopted);
    c.handle = *handle;
    c.computed = adopted;
    c.state = phase::running;
    c.entered = true;
    running_.push_back(&c);
    return true;
  }

  /// Gives its pages back and waits again. The lists are tidied by settle().
  void preempt(continuation_type& c) {
    release(c);
    c.state = phase::waiting;
    preempted_.push_back(&c);
    ++stats_.preemptions;
  }
  /// Everyone who runs gives its pages back and is computed anew, under whatever weights there are then. A prompt whose
  /// log-probabilities are wanted and not yet told is scored anew, wherever it is, so that one set of weights gives all of them.
  void retract_all() {
    for (auto* c : running_)
      if (c->state == phase::running) preempt(*c);
    for (auto& c : all_)
      if (c->index == 0 && c->state != phase::finished && !c->announced) c->owner->scored = 1;
    settle();
  }
  /// The same for prompts only whose log-probabilities are wanted and not yet told.
  void retract_scoring() {
    for (auto* c : running_)
      if (c->state == phase::running && c->owner->wants_prompt() && !c->announced) preempt(*c);
    for (auto& c : all_)
      if (c->index == 0 && c->state != phase::finished && !c->announced) c->owner->scored = 1;
    settle();
  }
  /// Every request ends now, with what it has, and is forgotten: what is ordered next must not find it.
  void abort_all() {
    end_all(finish_reason::cancelled);
    sweep();
  }
  void weights(std::uint64_t number) noexcept { deliver_.weights(number); }

  void settle() {
    drop_unless(running_, phase::running);
    drop_unless(waiting_, phase::waiting);
    for (auto* c : preempted_) enqueue(*c);
    preempted_.clear();
  }

  /// The siblings of `first`, whose prompt is computed: each takes its first token from pick(sibling) and shares the
  /// pages, or waits where there is no slot or page (the prompt's full pages are in the prefix index).
  template <class Pick> void fork(continuation_type const& first, Pick&& pick, std::span<score const> top) {
    for (auto& c : all_) {
      if (c->owner != first.owner || c->state != phase::forking || !equip(*c)) continue;
      drawn const d = pick(*c);
      auto const handle = free_places() > 0 ? book_.fork(first.handle) : std::nullopt;
      c->cached = first.cached;
      c->state = phase::waiting;
      if (handle) {
        c->handle = *handle;
        c->computed = first.computed;
        c->state = phase::running;
        running_.push_back(c.get());
      }
      c->entered = true;
      hand_over(*c, d, top);
      if (c->state == phase::waiting) enqueue(*c);
    }
  }

  static constexpr std::string_view not_numbers =
      "[verbatim.engine.5] nothing can be sampled: the logits are not finite, or all of them are masked";

 private:
  static void drop_unless(pointers& list, phase state) {
    std::erase_if(list, [&](auto const* c) { return c->state != state; });
  }

  /// A request that is invalid, or for which there is no memory, hears so and leaves nothing behind.
  void take_in(job& j) {
    std::size_t const first = all_.size();
    std::string why;
    try {
      why = why_invalid(j.ask, limits_);
      if (why.empty()) return create(j);
      why = "[verbatim.engine.3] " + why;
    } catch (std::exception const& e) {
      all_.resize(first);
      why = std::string("[verbatim.engine.6] the request could not be taken in: ") + e.what();
    }
    deliver_.refuse(j, std::clamp(j.ask.count, 1, limits_.max_count), why);
    jobs_->finished();
  }

  /// Makes the group and its continuations. On an exception the job is as it was, and so is the queue.
  void create(job& j) {
    using stream = typename text_type::stream;
    auto const g = make_group(j.ask, *eos_, ++arrivals_);
    g->source = std::move(j);
    try {
      for (int k = 0; k < g->open; ++k) all_.push_back(make_continuation<stream>(g, k, limits_));
      if (g->wants_prompt()) prepare_scores(*g);
      waiting_.push_back(all_[all_.size() - std::size_t(g->open)].get());
    } catch (...) {
      j = std::move(g->source);
      throw;
    }
    stats_.prompt_tokens += g->ask().prompt.size();
  }

  /// What only a continuation that runs needs: its ids, and tables as long as the vocabulary where it asks for penalties.
  /// False: there is no memory, and it has ended.
  bool equip(continuation_type& c) {
    try {
      if (c.ids.empty()) prepare_ids(c, limits_.context);
      if (c.output_counts.empty()) prepare_counts(c, limits_.vocabulary);
      return true;
    } catch (std::bad_alloc const&) {
      end(c, finish_reason::error, "[verbatim.engine.6] there is no memory for this request");
      return false;
    }
  }

  void release(continuation_type& c) {
    if (c.state == phase::running) book_.release(c.handle);
    c.computed = 0;
  }

  /// Into the queue, by order of arrival: who was preempted is served before who came later.
  void enqueue(continuation_type& c) {
    auto const key = [](auto const* x) { return std::pair(x->owner->arrival, x->index); };
    waiting_.insert(std::upper_bound(waiting_.begin(), waiting_.end(), &c,
                                     [&](auto const* a, auto const* b) { return key(a) < key(b); }), &c);
  }

  std::vector<token> const* eos_;
  inbox* jobs_;
  typename P::cache::book book_;
  engine_stats stats_{};
  delivery<text_type> deliver_;
  request_limits limits_;
  int max_batch_;
  std::uint64_t arrivals_ = 0;
  std::vector<std::unique_ptr<continuation_type>> all_;
  pointers waiting_, running_, preempted_;   // by arrival; by admission; scratch
};

}  // namespace verbatim::detail
