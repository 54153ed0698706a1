// The members of engine<P>: included by the one translation unit that instantiates a pipeline, or by the umbrella.
// What it is made of: load.hpp (files to parts), loop.hpp (the step), intake.hpp and deliver.hpp (requests and events).
#pragma once
#include <string>
#include <memory>
#include <string_view>
#include <utility>

#include "verbatim/engine/engine.hpp"
#include "verbatim/engine/load.hpp"
#include "verbatim/engine/loop.hpp"

namespace verbatim {

template <class P> struct engine<P>::impl {
  explicit impl(engine_config c) : parts(detail::load_parts<P>(c)), jobs(c.queue), loop(parts, jobs, c) {}
  detail::loaded_parts<P> parts;
  inbox jobs;
  detail::loop<P> loop;
};

template <class P> engine<P>::engine(engine_config c) : self_(std::make_unique<impl>(std::move(c))) {}
template <class P> engine<P>::~engine() = default;
template <class P> engine<P>::engine(engine&&) noexcept = default;
template <class P> engine<P>& engine<P>::operator=(engine&&) noexcept = default;

template <class P> inbox& engine<P>::jobs() { return self_->jobs; }
template <class P> bool engine<P>::poll() { return self_->loop.poll(); }
template <class P> engine_stats engine<P>::stats() const { return self_->jobs.stats(); }
template <class P> bool engine<P>::has_text() const noexcept { return self_->parts.text.has_value(); }
template <class P> typename P::text const& engine<P>::text() const {
  if (!self_->parts.text) throw error("engine", 8, "this model has no tokenizer (no tokenizer.json beside its config.json)");
  return *self_->parts.text;
}
template <class P> chat_template const* engine<P>::chat() const noexcept {
  return self_->parts.chat ? &*self_->parts.chat : nullptr;
}
template <class P> model_config const& engine<P>::config() const noexcept { return self_->parts.config; }
template <class P> generation_defaults const& engine<P>::defaults() const noexcept { return self_->parts.defaults; }
template <class P> std::vector<token> const& engine<P>::turn_ends() const noexcept { return self_->parts.turn_ends; }
template <class P> std::string const& engine<P>::name() const noexcept { return self_->parts.name; }
template <class P> int engine<P>::context() const noexcept { return self_->parts.context; }
template <class P> int engine<P>::max_logprobs() const noexcept { return self_->loop.max_logprobs(); }
template <class P> engine_resources engine<P>::resources() const noexcept {
  auto const& p = self_->parts;
  return {p.model->weight_bytes(), p.model->kv_bytes(), p.limits.pages, P::cache::page, p.limits.threads, {p.limits.weights, p.limits.kv}};
}

template <class P> std::string engine<P>::weight_version() const { return self_->jobs.versions().label(); }

namespace detail {

/// The error that a text written as `[verbatim.area.N] why` stands for.
inline error error_of(std::string_view text) {
  constexpr std::string_view before = "[verbatim.";
  std::size_t const dot = text.find('.', before.size()), end = text.find("] ", dot);
  return error(std::string(text.substr(before.size(), dot - before.size())), std::stoi(std::string(text.substr(dot + 1, end - dot - 1))),
               std::string(text.substr(end + 2)));
}

}  // namespace detail

template <class P> outcome engine<P>::carry_out(order what) {
  outcome out;
  bool done = false;
  jobs().command_engine(std::move(what), [&](outcome const& o) { out = o, done = true; });
  while (!done) poll();   // a pause may wait for what runs
  return out;
}

template <class P> void engine<P>::refit(std::shared_ptr<weights::staged const> source, refit_options options) {
  outcome const out = carry_out(orders::refit{std::move(source), std::move(options)});
  if (!out.error.empty()) throw detail::error_of(out.error);
}

template <class P> std::vector<float> engine<P>::score(std::span<token const> ids) {
  std::vector<float> out;
  std::string failure;
  bool done = false;
  request r;
  r.prompt.assign(ids.begin(), ids.end());
  r.max_tokens = 0;
  r.prompt_logprobs = 0;
  ticket const own = submit(std::move(r), [&](event const& e) {
    for (std::size_t i = 1; i < e.prompt.size(); ++i) out.push_back(e.prompt[i].token.logprob);
    if (e.what != event::kind::finished) return;
    done = true;
    if (e.finish == finish_reason::error) failure = e.error;
  });
  while (!done && poll()) {}
  if (!done) {   // paused: the sink refers to this frame, so the request may not outlive it
    own.cancel();
    while (!done) poll();
    failure = "[verbatim.engine.33] the engine is paused; nothing is scored before it is resumed";
  }
  if (!failure.empty()) throw detail::error_of(failure);
  return out;
}

}  // namespace verbatim
