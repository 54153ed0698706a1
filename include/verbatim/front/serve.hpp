// serve(engine, openai{…}): an OpenAI-compatible HTTP server over an engine, driven by the calling thread until a signal.
// Example: verbatim::serve(engine, verbatim::openai{.port = 8000, .name = "qwen3"});
#pragma once
#include <utility>

#include "verbatim/engine/engine.hpp"
#include "verbatim/front/openai_front.hpp"

namespace verbatim {

/// Serves until SIGINT or SIGTERM (or `options.stop`), then drains; gives 0. Throws error("transport", 1..5) before it
/// listens, error("engine", 8) when the model has no tokenizer.
template <class P> int serve(engine<P>& engine, openai options = {}) { return serve_with(engine, std::move(options)); }

}  // namespace verbatim
