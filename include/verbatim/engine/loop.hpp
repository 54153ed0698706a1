// The step loop: take in, schedule, pack, forward, sample, deliver. One thread drives it; nothing here knows a socket,
// and nothing in a step allocates once the requests are taken in (their vectors are reserved then).
// Who waits, runs and holds which pages is the roster's affair (roster.hpp).
#pragma once
#include <algorithm>
#include <atomic>
#include <exception>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "verbatim/backend/step.hpp"
#include "verbatim/engine/device_sampling.hpp"
#include "verbatim/engine/engine.hpp"
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
    ids_.resize(rows), positions_.resize(rows), output_rows_.resize(outputs), tasks_.resize(outputs), wanted_.resize(outputs), results_.resize(outputs);
    slices_.reserve(std::size_t(parts.limits.slices)), in_step_.reserve(std::size_t(parts.limits.slices));
    tops_.resize(outputs * std::size_t(max_logprobs()));
    spare_row_.resize(std::size_t(parts.config.vocabulary));
    warm_threads();
  }

  int max_logprobs() const noexcept { return roster_.limits().max_logprobs; }

  bool poll() {
    roster_.take_in_all();
    desk_.carry_out_all();
    roster_.drop_cancelled();
    roster_.sweep();
    if (desk_.frozen() || (roster_.running().empty() && roster_.waiting().empty())) {
      roster_.publish();
      return false;
    }
    try {
      plan();
      pack();
      if (!in_step_.empty()) run_step();
    } catch (std::exception const& e) {   // memory, or a bug: the requests hear of it, the engine stays usable
      roster_.end_all(finish_reason::error, std::string("[verbatim.engine.6] the step failed: ") + e.what());
    }
    roster_.sweep();
    roster_.publish();
    return true;
  }

 private:
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
  /// This thread's room for a second copy of a row: raw log-probabilities need the logits that sampling overwrites.
  static std::span<float> second_row(std::size_t ids) {
    thread_local std::vector<float> row;
    if (row.size() < ids) row.resize(ids);
    return std::span(row).first(ids);
  }

  // ---- one step

  static constexpr std::uint32_t waiting_bit = 0x80000000u;
  /// A row of logits and what is wanted from it: the log-probability of prompt[target], or (target < 0) a new token.
  struct task {
    continuation_type* who;
    int target;
    drawn result;
    bool done;   ///< by the backend
  };
  struct planned {
    continuation_type* who;
    int tokens;
  };

  void plan() {
    auto& book = roster_.book();
    auto const& all_running = roster_.running();
    auto const& queue = roster_.waiting();
    running_views_.clear(), waiting_views_.clear(), batch_.clear();
    for (std::size_t i = 0; i < all_running.size(); ++i) {
      auto const& c = *all_running[i];
      running_views_.push_back({.id = std::uint32_t(i), .tokens = int(c.ids.size()), .computed = c.computed,
                                .pages = int(book.pages(c.handle).size()), .shared = book.shared_pages(c.handle)});
    }
    std::size_t const room = std::min<std::size_t>({queue.size(), std::size_t(std::max(0, roster_.free_places())), most_heads});
    for (std::size_t i = 0; i < room; ++i) {
      if (desk_.draining() && !queue[i]->entered) continue;
      auto const found = book.match(roster_.reusable(*queue[i]));
      waiting_views_.push_back({std::uint32_t(i) | waiting_bit, int(queue[i]->ids.size()), found.tokens, found.free_pages});
    }
    batch_.limits = {parts_->limits.tokens, max_batch_, book.free_pages(), P::cache::page, chunk_};
    policy_(std::span<waiting const>(waiting_views_), std::span<running const>(running_views_), batch_);
    carry_out();
  }

  /// Turns the policy's decisions into sequences with pages.
  void carry_out() {
    auto const of = [&](std::uint32_t id) { return id & waiting_bit ? roster_.waiting()[id & ~waiting_bit] : roster_.running()[id]; };
    chosen_.clear();
    for (scheduled const& s : batch_.run) chosen_.push_back({of(s.id), s.tokens});
    for (std::uint32_t id : batch_.preempt) roster_.preempt(*of(id));
    for (std::uint32_t id : batch_.admit) roster_.admit(*of(id));
    roster_.settle();
  }

  void pack() {
    slices_.clear(), in_step_.clear();
    step_ = {0, ids_.data(), positions_.data(), 0, nullptr, 0, output_rows_.data()};
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      auto& c = *chosen_[i].who;
      if (c.state != phase::running) continue;
      // Scoring a prompt wants logits of every row; one output is kept for each slice that is still to come.
      int const outputs_left = parts_->limits.outputs - step_.outputs - int(chosen_.size() - i - 1);
      int const rows = std::min({chosen_[i].tokens, int(c.ids.size()) - c.computed, parts_->limits.tokens - step_.tokens});
      int const n = c.owner->prompt_done() ? rows : std::min(rows, outputs_left);
      if (n >= 1 && roster_.book().reserve(c.handle, n)) add_slice(c, n);
    }
    step_.slices = int(slices_.size());
    step_.slice_of = slices_.data();
    // Where something was preempted, there may be more room than the policy could know (shared pages): plan again.
    if (in_step_.empty() && !roster_.running().empty() && batch_.preempt.empty()) make_room();
  }

  /// Nothing could run although sequences are there: the youngest gives way; one alone can never fit.
  void make_room() {
    auto& c = *roster_.running().back();
    if (roster_.running().size() == 1)
      return roster_.end(c, finish_reason::error, "[verbatim.engine.4] the KV cache has no room for this sequence alone");
    roster_.preempt(c);
    roster_.settle();
  }

  void add_slice(continuation_type& c, int n) {
    slices_.push_back({step_.tokens, n, c.computed, roster_.book().pages(c.handle).data()});
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
      tasks_[std::size_t(step_.outputs)] = {&c, scores ? position + 1 : -1, {}, false};
      output_rows_[std::size_t(step_.outputs++)] = row;
    }
  }

  void run_step() {
    auto& book = roster_.book();
    for (auto const& copy : book.copies()) parts_->model->backend().copy_page(copy.from, copy.to);
    book.copies_done();
    auto const logits = forward();
    auto const row_of = [&](int i) {
      return std::span<float>(logits.data + std::size_t(i) * logits.stride, std::size_t(logits.vocabulary));
    };
    if (!all_done_) parts_->model->backend().parallel(step_.outputs, [&](int i) {
      task& t = tasks_[std::size_t(i)];
      if (t.done) return;
      if (t.target >= 0) t.result.token = score_token(row_of(i), t.who->ids[std::size_t(t.target)], top_of(i, t.who->owner->scored_top));
      else if (!forks(*t.who)) t.result = pick(*t.who, row_of(i), top_of(i, t.who->owner->ask().top_logprobs));
    });
    for (planned const& p : in_step_) {
      auto& c = *p.who;
      book.commit(c.handle, std::span<token const>(c.ids).subspan(std::size_t(c.computed), std::size_t(p.tokens)));
      c.computed += p.tokens;
    }
    ++roster_.stats().steps;
    for (int i = 0; i < step_.outputs; ++i) collect(i, row_of(i));
    finish_scored();
  }

  /// The model's pass, and where the backend samples, what it can do of the tasks.
  logits_view forward() {
    auto& model = *parts_->model;
    if constexpr (samples_on_device<P, typename loaded_parts<P>::model_type>) {
      std::size_t const n = std::size_t(step_.outputs);
      for (std::size_t i = 0; i < n; ++i) wanted_[i] = wanted_of(tasks_[i]);
      auto const logits = model.forward(step_, std::span<kernel::sampling_row const>(wanted_).first(n), std::span(results_).first(n));
      all_done_ = true;
      for (std::size_t i = 0; i < n; ++i) all_done_ = take_result(tasks_[i], wanted_[i], results_[i]) && all_done_;
      return logits;
    } else {
      return model.forward(step_);
    }
  }
  kernel::sampling_row wanted_of(task const& t) const {
    auto const& c = *t.who;
    request const& ask = c.owner->ask();
    if (t.target >= 0) return c.owner->scored_top > 0 ? kernel::sampling_row{} : kernel::sampling_row{.wanted = kernel::sampling_row::what::score, .target = c.ids[std::size_t(t.target)]};
    if (forks(c) || ask.top_logprobs > 0) return {};
    return sampling_row_of(c.sampling, c.history(), int(c.ids.size()), c.given(), ask.logprobs != logprobs_mode::processed);
  }
  /// False: the row is the host's.
  static bool take_result(task& t, kernel::sampling_row const& w, kernel::sampling_result const& r) {
    if (w.wanted == kernel::sampling_row::what::nothing) return false;
    bool const raw_only = t.target < 0 && t.who->owner->ask().logprobs == logprobs_mode::raw;
    t.result.token = raw_only ? sampled{r.id, r.raw_logprob, r.raw_rank} : sampled{r.id, r.logprob, r.rank};
    t.result.raw = w.raw ? r.raw_logprob : 0;
    t.result.forced = t.target < 0 && w.target >= 0;
    return t.done = true;
  }

  std::span<score> top_of(int output, int n) {
    return std::span(tops_).subspan(std::size_t(output) * (tops_.size() / tasks_.size()), std::size_t(std::max(0, n)));
  }
  /// The next output token of c, sampled or given, from its row of logits, which is overwritten.
  static drawn pick(continuation_type const& c, std::span<float> row, std::span<score> top) {
    auto const stages = sampler::prepare(c.sampling, c.history(), int(c.ids.size()));
    token const given = c.given();
    auto const draw = [&](std::span<float> logits, std::span<score> best) {
      return given < 0 ? sampler::pick(stages, logits, best) : sampler::take(stages, logits, given, best);
    };
    logprobs_mode const mode = c.owner->ask().logprobs;
    if (mode == logprobs_mode::processed) return {draw(row, top), 0, given >= 0};
    if constexpr (requires { { sampler::changes(stages) } -> std::same_as<bool>; })
      if (!sampler::changes(stages)) {   // both are the model's own
        sampled const s = draw(row, top);
        return {s, s.logprob, given >= 0};
      }
    auto const copy = second_row(row.size());
    std::copy(row.begin(), row.end(), copy.begin());
    bool const raw_only = mode == logprobs_mode::raw;
    sampled const s = draw(copy, raw_only ? std::span<score>() : top);
    sampled const raw = score_token(row, s.id, raw_only ? top : std::span<score>());
    return {raw_only ? raw : s, raw.logprob, given >= 0};
  }
  /// True while its siblings still wait for the common prompt.
  static bool forks(continuation_type const& c) {
    return c.index == 0 && c.owner->ask().count > 1 && c.output_size() == 0;
  }

  void collect(int output, std::span<float> row) {
    task& t = tasks_[std::size_t(output)];
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
        return pick(sibling, spare_row_, top);
      };
      roster_.fork(c, pick_sibling, top);
      t.result = pick(c, row, top);
    }
    roster_.hand_over(c, t.result, top);
  }

  /// Requests that only score end when their prompt is computed.
  void finish_scored() {
    for (planned const& p : in_step_) {
      auto const& c = *p.who;
      if (c.state == phase::running && c.owner->ask().max_tokens == 0 && c.computed >= c.prompt_size()) roster_.end_scored(*c.owner);
    }
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
  std::vector<planned> chosen_, in_step_;
  std::vector<slice> slices_;
  std::vector<token> ids_;
  std::vector<int> positions_, output_rows_;
  std::vector<task> tasks_;
  std::vector<kernel::sampling_row> wanted_;
  std::vector<kernel::sampling_result> results_;
  bool all_done_ = false;
  std::vector<score> tops_;
  std::vector<float> spare_row_;
  step step_{};
};

}  // namespace verbatim::detail
