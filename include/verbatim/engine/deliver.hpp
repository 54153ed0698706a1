// From sampled tokens to events: appends the token, detokenises, looks for stops, tells the sink.
// Per token: O(bytes of the token); no allocation once the buffers are warm.
#pragma once
#include <algorithm>
#include <span>
#include <string>

#include "verbatim/engine/continuation.hpp"

namespace verbatim::detail {

/// Delivers the events of continuations. `Text` is the pipeline's tokenizer; null when the model brings none.
template <class Text> class delivery {
 public:
  using continuation_type = continuation<typename Text::stream>;

  delivery(Text const* text, int context, engine_stats& stats) : text_(text), context_(context), stats_(&stats) {}

  /// The number of the weights that tokens come from, from now on.
  void weights(std::uint64_t number) noexcept { weights_ = number; }

  /// The first event of a continuation: the prompt is computed.
  void announce(continuation_type& c) {
    if (std::exchange(c.announced, true)) return;
    event e;
    e.what = event::kind::started;
    e.index = c.index;
    e.prompt = c.owner->prompt;
    e.prompt_tokens = c.prompt_size();
    e.cached_tokens = c.cached;
    e.weights = weights_;
    c.owner->source.sink(e);
  }

  /// The only event of each continuation of a request that was not taken in.
  void refuse(job const& j, int count, std::string_view error) {
    event e;
    e.what = event::kind::finished;
    e.finish = finish_reason::error;
    e.error = error;
    e.prompt_tokens = int(j.ask.prompt.size());
    for (e.index = 0; e.index < count; ++e.index) {
      ++stats_->finished_error;
      j.sink(e);
    }
  }

  /// One output token. True when it was the last one; the caller then gives the pages back.
  bool token(continuation_type& c, drawn const& d, std::span<score const> top) {
    group& g = *c.owner;
    sampled const& s = d.token;
    c.append(s.id);
    ++stats_->generated_tokens;
    bool const more = c.given(int(c.ids.size())) >= 0;   // what is given ends nothing before its last token
    bool const stop = !more && std::find(g.stops.begin(), g.stops.end(), s.id) != g.stops.end();
    std::string const* matched = nullptr;
    shown_.clear();
    if (text_ && (!stop || g.ask().include_stop_text)) {
      piece_.clear();
      c.stream->push(*text_, s.id, piece_);
      if (more || c.output_size() <= c.sampling.min_tokens)
        c.stop->pass(piece_, shown_);
      else
        matched = c.stop->push(piece_, shown_);
    }
    event e;
    e.index = c.index;
    e.sample = s;
    e.top = top;
    e.raw_logprob = d.raw;
    e.forced = d.forced;
    e.weights = weights_;
    e.text = shown_;
    g.source.sink(e);
    if (stop) return finish(c, finish_reason::stop, s.id), true;
    if (matched) return finish(c, finish_reason::stop, -1, matched), true;
    if (c.output_size() >= g.ask().max_tokens || int(c.ids.size()) >= context_)
      return finish(c, finish_reason::length), true;
    return false;
  }

  /// The last event of a continuation. Counts it; the pages are the caller's affair.
  void finish(continuation_type& c, finish_reason why, verbatim::token stop_token = -1,
              std::string const* stop_text = nullptr, std::string_view error = {}) {
    if (c.state == phase::finished) return;
    event e;
    e.what = event::kind::finished;
    e.index = c.index;
    shown_.clear();
    if (text_ && c.stream && !stop_text) {
      piece_.clear();
      c.stream->finish(*text_, piece_);
      auto const* const matched = c.stop->push(piece_, shown_);
      if (!matched) c.stop->finish(shown_);
      else if (why == finish_reason::length) why = finish_reason::stop, stop_text = matched;
    }
    e.text = shown_;
    e.finish = why;
    e.stop_token = stop_token;
    if (stop_text) e.stop_text = *stop_text;
    e.error = error;
    e.prompt_tokens = c.prompt_size();
    e.weights = weights_;
    c.state = phase::finished;
    --c.owner->open;
    count(why);
    c.owner->source.sink(e);
  }

 private:
  void count(finish_reason why) {
    switch (why) {
      case finish_reason::stop: ++stats_->finished_stop; break;
      case finish_reason::length: ++stats_->finished_length; break;
      case finish_reason::cancelled: ++stats_->finished_cancelled; break;
      default: ++stats_->finished_error; break;
    }
  }

  Text const* text_;
  int context_;
  engine_stats* stats_;
  std::uint64_t weights_ = 0;
  std::string piece_, shown_;   // reused
};

}  // namespace verbatim::detail
