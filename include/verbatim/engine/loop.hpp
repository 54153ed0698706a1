// The step loop: take in, schedule, pack, forward, sample, deliver. One thread drives it; nothing here knows a socket,
// and nothing in a step allocates once the requests are taken in (their vectors are reserved then).
// Who waits, runs and holds which pages is the roster's affair (roster.hpp).
// Where the backend finishes every row of a step by itself, the step stays in flight while the next one is planned, packed and started:
// its rows may begin with tokens that only the device knows. Ends that the host alone sees (stops, cancellations, failures) then come one
// step late, and what the next step has computed for them is dropped. No step is in flight while an order is carried out or anyone gives
// way; pages that were given back are safe meanwhile, since a backend works in the order of its steps.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "verbatim/backend/step.hpp"
#include "verbatim/engine/device_sampling.hpp"
#include "verbatim/engine/engine.hpp"
#include "verbatim/engine/flight.hpp"
#include "verbatim/engine/load.hpp"
#include "verbatim/engine/order_desk.hpp"
#include "verbatim/engine/roster.hpp"
#include "verbatim/schedule/batch.hpp"

namespace verbatim::detail {

template <class P> class loop {
 public:
  using continuation_type = typename roster<P>::continuation_type;
  using sampler = typename P::sampler;

  loop(loaded_parts<P>& parts, inbox& jobs, engine_config const& c)
      : parts_(&parts), roster_(parts, jobs, c), desk_(parts, jobs, roster_), max_batch_(c.max_batch), chunk_(chunk_of<P>(c)) {
    std::size_t const rows = std::size_t(parts.limits.tokens), outputs = std::size_t(parts.limits.outputs);
    ids_.resize(rows), positions_.resize(rows), output_rows_.resize(outputs);
    slices_.reserve(std::size_t(parts.limits.slices));
    for (flight_type& f : flights_) f.reserve(std::size_t(parts.limits.slices), outputs);
    tops_.resize(outputs * std::size_t(max_logprobs()));
    spare_row_.resize(std::size_t(parts.config.vocabulary));
    batch_.passed.reserve(most_heads * most_heads);
    warm_threads();
  }
  loop(loop const&) = delete;
  ~loop() { drop_flights(); }

  int max_logprobs() const noexcept { return roster_.limits().max_logprobs; }

  bool poll() {
    if constexpr (requires { parts_->model->backend().keep_caller(); }) parts_->model->backend().keep_caller();
    roster_.take_in_all();
    desk_.carry_out_all([this] { land(); });
    roster_.drop_cancelled();
    sweep();
    if (desk_.frozen() || (roster_.running().empty() && roster_.waiting().empty())) {
      land();   // of nobody who is still here
      roster_.publish();
      return false;
    }
    guarded([this] { advance(); });
    sweep();
    roster_.publish();
    return true;
  }

 private:
  using flight_type = flight<continuation_type>;
  using task = row_task<continuation_type>;
  static constexpr bool backend_samples = samples_on_device<P, typename loaded_parts<P>::model_type>;

  /// Every thread of the backend makes its scratch for sampling now. Each index waits for all of them, so that no thread
  /// can take two.
  void warm_threads() {
    auto& backend = parts_->model->backend();
    int const threads = backend.threads();
    std::atomic<int> ready{0};
    backend.parallel(threads, [&](int) {
      if constexpr (requires(int v) { sampler::warm(v); }) sampler::warm(parts_->config.vocabulary);
      second_row(std::size_t(parts_->config.vocabulary));
      for (++ready; ready.load() < threads;) std::this_thread::yield();
    });
  }

  // ---- steps in flight

  /// Memory, a device, or a bug: the requests hear of it, the engine stays usable.
  template <class F> void guarded(F&& f) {
    try {
      f();
    } catch (std::exception const& e) {
      drop_flights();
      roster_.end_all(finish_reason::error, std::string("[verbatim.engine.6] the step failed: ") + e.what());
    }
  }
  /// Waits for the step in flight and hands out what it gave: then there is none.
  void land() {
    if (!flying_) return;
    guarded([this] { collect(*std::exchange(flying_, nullptr)); });
    sweep();
  }
  void drop_flights() noexcept {
    flying_ = nullptr;
    if constexpr (requires { parts_->model->backend().wait(); }) {
      try {
        parts_->model->backend().wait();
      } catch (std::exception const&) {   // known, or told by the next step
      }
    }
  }
  void sweep() {
    if (flying_) flying_->forget_finished();
    roster_.sweep();
  }

  // ---- one step

  static constexpr std::uint32_t waiting_bit = 0x80000000u;

  void advance() {
    plan();
    if (flying_ && !batch_.preempt.empty()) {   // not before its pages hold what they are said to hold
      land();
      plan();
    }
    carry_out();
    flight_type& next = flights_[flying_ == &flights_[0]];
    pack(next);
    bool const starts = !next.sequences.empty();
    if (starts) start(next);
    if (flight_type* const before = std::exchange(flying_, starts ? &next : nullptr)) collect(*before);
    if (starts && !next.by_itself) collect(*std::exchange(flying_, nullptr));
  }

  void plan() {
    auto& book = roster_.book();
    auto const& all_running = roster_.running();
    auto const& queue = roster_.waiting();
    running_views_.clear(), waiting_views_.clear(), batch_.clear();
    for (std::size_t i = 0; i < all_running.size(); ++i) {
      auto const& c = *all_running[i];
      if (c.computed == c.known()) continue;   // its last row is in flight
      running_views_.push_back({.id = std::uint32_t(i), .tokens = c.known(), .computed = c.computed,
                                .pages = int(book.pages(c.handle).size()), .shared = book.shared_pages(c.handle)});
    }
    std::size_t const room = std::min<std::size_t>({queue.size(), std::size_t(std::max(0, roster_.free_places())), most_heads});
    for (std::size_t i = 0; i < room; ++i) {
      if (desk_.draining() && !queue[i]->entered) continue;
      auto const found = book.match(roster_.reusable(*queue[i]));
      waiting_views_.push_back({std::uint32_t(i) | waiting_bit, int(queue[i]->ids.size()), found.tokens, found.free_pages, queue[i]->passed});
    }
    batch_.limits = {parts_->limits.tokens, max_batch_, book.free_pages(), P::cache::page, chunk_};
    policy_(std::span<waiting const>(waiting_views_), std::span<running const>(running_views_), batch_);
  }

  /// Turns the policy's decisions into sequences with pages.
  void carry_out() {
    auto const of = [&](std::uint32_t id) { return id & waiting_bit ? roster_.waiting()[id & ~waiting_bit] : roster_.running()[id]; };
    chosen_.clear();
    for (scheduled const& s : batch_.run) chosen_.push_back({of(s.id), s.tokens});
    for (std::uint32_t id : batch_.preempt) roster_.preempt(*of(id));
    bool all = true;
    for (std::uint32_t id : batch_.admit) all = roster_.admit(*of(id)) && all;
    if (all)   // else some of these were not passed
      for (std::uint32_t id : batch_.passed) ++of(id)->passed;
    roster_.settle();
  }

  void pack(flight_type& f) {
    auto& book = roster_.book();
    slices_.clear(), f.clear();
    step_ = {0, ids_.data(), positions_.data(), 0, nullptr, 0, output_rows_.data()};
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      auto& c = *chosen_[i].who;
      if (c.state != phase::running) continue;
      // Scoring a prompt wants logits of every row; one output is kept for each slice that is still to come.
      int const outputs_left = parts_->limits.outputs - step_.outputs - int(chosen_.size() - i - 1);
      int const rows = std::min({chosen_[i].tokens, c.known() - c.computed, parts_->limits.tokens - step_.tokens});
      int const n = c.owner->prompt_done() ? rows : std::min(rows, outputs_left);
      if (n >= 1 && book.reserve(c.handle, c.computed - book.length(c.handle) + n)) add_slice(f, c, n);
    }
    step_.slices = int(slices_.size());
    step_.slice_of = slices_.data();
    // Where something was preempted, there may be more room than the policy could know (shared pages), and where something is in flight,
    // there may be more after it: plan again.
    if (f.sequences.empty() && !roster_.running().empty() && batch_.preempt.empty() && !flying_) make_room();
  }

  /// Nothing could run although sequences are there: the youngest gives way; one alone can never fit.
  void make_room() {
    auto& c = *roster_.running().back();
    if (roster_.running().size() == 1)
      return roster_.end(c, finish_reason::error, "[verbatim.engine.4] the KV cache has no room for this sequence alone");
    roster_.preempt(c);
    roster_.settle();
  }

  void add_slice(flight_type& f, continuation_type& c, int n) {
    slices_.push_back({step_.tokens, n, c.computed, roster_.book().pages(c.handle).data()});
    f.sequences.push_back({&c, n});
    group const& g = *c.owner;
    int const known = c.known(), end = int(std::min<long>(long(c.prompt_size()) + g.ask().max_tokens, parts_->context));
    for (int i = 0; i < n; ++i) {
      int const row = step_.tokens++, position = c.computed++;
      bool const scores = g.wants_prompt() && position + 1 < c.prompt_size() && position + 1 >= g.scored;
      bool const samples = position + 1 == known && g.ask().max_tokens > 0;
      ids_[std::size_t(row)] = std::size_t(position) < c.ids.size() ? c.ids[std::size_t(position)] : token(~c.pending);
      positions_[std::size_t(row)] = position;
      if (!scores && !samples) continue;
      f.tasks.push_back({.who = &c, .target = scores ? position + 1 : -1});
      if constexpr (backend_samples) f.wanted.push_back(wanted_of<typename P::sampler>(f.tasks.back()));
      if (samples) c.pending = known + 1 < end ? step_.outputs : -1;
      output_rows_[std::size_t(step_.outputs++)] = row;
    }
  }

  /// Hands the packed step to the backend.
  void start(flight_type& f) {
    auto& book = roster_.book();
    auto& backend = parts_->model->backend();
    if constexpr (requires { backend.copy_pages(book.copies()); }) backend.copy_pages(book.copies());
    else for (auto const& copy : book.copies()) backend.copy_page(copy.from, copy.to);
    book.copies_done();
    if constexpr (backend_samples) {
      f.by_itself = std::none_of(f.wanted.begin(), f.wanted.end(), [](auto const& w) { return w.wanted == kernel::sampling_row::what::nothing; });
      parts_->model->start(step_, std::span<kernel::sampling_row const>(f.wanted));
    } else {
      f.logits = parts_->model->forward(step_);
    }
  }

  /// Waits for the step, finishes the rows that the backend left, books what was computed and hands it out.
  void collect(flight_type& f) {
    auto& book = roster_.book();
    f.forget_finished();
    if constexpr (backend_samples) {
      f.results.resize(f.wanted.size());
      f.logits = parts_->model->finish(std::span(f.results));
      for (std::size_t i = 0; i < f.tasks.size(); ++i) take_result(f.tasks[i], f.wanted[i], f.results[i]);
    }
    auto const row_of = [&](int i) {
      return std::span<float>(f.logits.data + std::size_t(i) * f.logits.stride, std::size_t(f.logits.vocabulary));
    };
    int const outputs = int(f.tasks.size());
    if (!f.by_itself) parts_->model->backend().parallel(outputs, [&](int i) {
      task& t = f.tasks[std::size_t(i)];
      if (t.done || !t.who) return;
      if (t.target >= 0) t.result.token = score_token(row_of(i), t.who->ids[std::size_t(t.target)], top_of(i, t.who->owner->scored_top));
      else if (!forks(*t.who)) t.result = pick<sampler>(*t.who, row_of(i), top_of(i, t.who->owner->ask().top_logprobs));
    });
    for (auto const& p : f.sequences)
      if (p.who) book.commit(p.who->handle, std::span<token const>(p.who->ids).subspan(std::size_t(book.length(p.who->handle)), std::size_t(p.tokens)));
    ++roster_.stats().steps;
    for (int i = 0; i < outputs; ++i)
      if (f.tasks[std::size_t(i)].who) hand_out(f.tasks[std::size_t(i)], i, row_of(i));
    for (auto const& p : f.sequences)
      if (p.who) end_if_scored(*p.who);
  }

  std::span<score> top_of(int output, int n) {
    return std::span(tops_).subspan(std::size_t(output) * std::size_t(max_logprobs()), std::size_t(std::max(0, n)));
  }

  void hand_out(task& t, int output, std::span<float> row) {
    auto& c = *t.who;
    group& g = *c.owner;
    if (c.state == phase::finished) return;   // an earlier row of it failed
    if (t.target >= 0) {
      if (t.result.token.id < 0) return roster_.end(c, finish_reason::error, roster_.not_numbers);
      std::span<score const> const top = top_of(output, g.scored_top);
      std::copy(top.begin(), top.end(), g.prompt_top.begin() + std::ptrdiff_t(t.target) * g.scored_top);
      g.prompt[std::size_t(t.target)].token = t.result.token;
      g.scored = t.target + 1;
      return;
    }
    std::span<score> const top = top_of(output, g.ask().top_logprobs);
    if (forks(c)) {
      auto const pick_sibling = [&](continuation_type const& sibling) {
        std::copy(row.begin(), row.end(), spare_row_.begin());
        return pick<sampler>(sibling, spare_row_, top);
      };
      roster_.fork(c, pick_sibling, top);
      t.result = pick<sampler>(c, row, top);
    }
    roster_.hand_over(c, t.result, top);
    if (c.computed < int(c.ids.size())) c.pending = -1;   // it is known; else the next one is in flight by now
  }

  /// Requests that only score end when their prompt is computed.
  void end_if_scored(continuation_type const& c) {
    if (c.state == phase::running && c.owner->ask().max_tokens == 0 && roster_.book().length(c.handle) >= c.prompt_size()) roster_.end_scored(*c.owner);
  }

  static constexpr std::size_t most_heads = 16;   // of the queue are looked up in the prefix index per step

  loaded_parts<P>* parts_;
  roster<P> roster_;
  order_desk<P> desk_;
  typename P::schedule policy_{};
  int max_batch_, chunk_;

  std::vector<waiting> waiting_views_;
  std::vector<running> running_views_;
  batch batch_;
  std::vector<typename flight_type::planned> chosen_;
  std::vector<slice> slices_;
  std::vector<token> ids_;
  std::vector<int> positions_, output_rows_;
  std::vector<score> tops_;
  std::vector<float> spare_row_;
  step step_{};
  std::array<flight_type, 2> flights_{};
  flight_type* flying_ = nullptr;   // whose results are still to be collected
};

}  // namespace verbatim::detail
