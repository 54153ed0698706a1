// From events to an answer. One code path: each event adds to its choice; a stream sends what is pending after every
// event, a whole answer at the end. `Form` is chat_answer or completion_answer.
#pragma once
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "verbatim/protocol/error_body.hpp"
#include "verbatim/protocol/metrics.hpp"
#include "verbatim/protocol/openai/answer.hpp"

namespace verbatim::openai_v1 {

template <class Form> class gather {
 public:
  using choice = typename Form::choice;

  /// `shape` must outlive this. `arrival`: when the request came in.
  gather(Form form, answer_shape const& shape, latency_metrics& latency, clock::time_point arrival)
      : form_(std::move(form)), shape_(&shape), latency_(&latency), arrival_(arrival),
        choices_(std::size_t(shape.prompts) * std::size_t(shape.count)) {
    using filter = decltype(choice::filter);
    if constexpr (std::is_constructible_v<filter, output_rules const&>)
      for (choice& c : choices_) c.filter = filter(shape.output);
  }

  /// Takes one event; in a stream appends what it has to say. After an error nothing more is to be pushed.
  void push(kept_event& e, std::string& out) {
    if (e.choice < 0 || std::size_t(e.choice) >= choices_.size() || failure_) return;
    choice& c = choices_[std::size_t(e.choice)];
    if (c.finished) return;
    if (e.what == event::kind::finished && e.finish == finish_reason::error) {
      failure_ = failure_of(e);
      if (shape_->stream) put_event(out, error_body(*failure_, shape_->status_codes)), out += sse_done;
      return;
    }
    if (!c.started) start(c, e, out);
    if (e.what == event::kind::token) add_token(c, e, out);
    if (e.what == event::kind::finished) finish(c, e, out);
  }
  bool complete() const noexcept { return failure_ || finished_ == choices_.size(); }
  std::optional<api_error> const& failure() const noexcept { return failure_; }
  usage const& counted() const noexcept { return usage_; }

  /// Ends the answer from outside (the reader was too slow, memory ran out).
  void fail(api_error e, std::string& out) {
    if (complete()) return;
    failure_ = std::move(e);
    if (shape_->stream) put_event(out, error_body(*failure_, shape_->status_codes)), out += sse_done;
  }
  /// The whole answer, once complete without failure.
  void whole(std::string& out) const { form_.whole(out, choices_, usage_); }

 private:
  static api_error failure_of(kept_event const& e) {
    return {500, e.error.empty() ? std::string("the engine failed") : e.error, "", "engine_error"};
  }
  void start(choice& c, kept_event& e, std::string& out) {
    c.started = true;
    c.prompt = std::move(e.prompt);
    c.origin.prompt(e.weights);
    if (e.choice % shape_->count == 0) usage_.prompt_tokens += e.prompt_tokens, usage_.cached_tokens += e.cached_tokens;
    if constexpr (requires { form_.echo(c, 0); }) form_.echo(c, e.choice);
    if (shape_->stream) form_.start(out, c, e.choice, usage_);
  }
  void add_token(choice& c, kept_event const& e, std::string& out) {
    ++usage_.completion_tokens;
    observe(c, e.when);
    filter(c, e);
    form_.add(c, e);
    c.origin.add(e);
    if (shape_->token_ids) c.ids.push_back(e.sample.id);
    if (shape_->stream) form_.flush(out, c, e.choice, usage_);
  }
  void finish(choice& c, kept_event const& e, std::string& out) {
    filter(c, e);
    c.finished = true;
    c.finish = e.finish;
    c.stop_reason = stop_reason_of(e, *shape_);
    latency_->end_to_end.observe(seconds(arrival_, e.when));
    if (shape_->stream) form_.finish(out, c, e.choice, usage_);
    if (++finished_ < choices_.size() || !shape_->stream) return;
    if (shape_->include_usage) form_.put_usage_chunk(out, usage_);
    out += sse_done;
  }
  void filter(choice& c, kept_event const& e) {
    int const before = c.filter.reasoning_tokens();
    bool const last = e.what == event::kind::finished;
    c.filter.push(e.text, last ? -1 : e.sample.id, c.delta);
    if (last) c.filter.finish(c.delta);
    usage_.reasoning_tokens += c.filter.reasoning_tokens() - before;
  }
  void observe(choice& c, clock::time_point when) {
    if (c.tokens++ == 0) latency_->first_token.observe(seconds(arrival_, when));
    else latency_->inter_token.observe(seconds(c.last, when));
    c.last = when;
  }
  static double seconds(clock::time_point from, clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
  }

  Form form_;
  answer_shape const* shape_;
  latency_metrics* latency_;
  clock::time_point arrival_;
  std::vector<choice> choices_;
  usage usage_{};
  std::size_t finished_ = 0;
  std::optional<api_error> failure_{};
};

}  // namespace verbatim::openai_v1
