// What the tests of a running engine share: sets of weights in memory, and what a sink heard of one continuation.
#pragma once
#include <deque>
#include <filesystem>
#include <vector>

#include "verbatim/engine/engine.hpp"
#include "verbatim/weights/random_weights.hpp"
#include "verbatim/weights/staged.hpp"

namespace random_models {

using verbatim::event;
using verbatim::token;
namespace weights = verbatim::weights;

/// Several sets of weights for one configuration, in memory.
template <class P> struct sets {
  sets(std::filesystem::path const& model, int count) {
    auto config = verbatim::read_config(model).config;
    for (int i = 0; i < count; ++i) {
      weights::random_weights source(config, std::uint64_t(i + 1));
      of.push_back(weights::all_of(source));
    }
  }
  std::deque<weights::staged> of;
};

struct heard {
  std::vector<token> ids{};
  std::vector<float> logprobs{};
  std::vector<std::uint64_t> weights{};
  verbatim::finish_reason finish = verbatim::finish_reason::none;
};

inline verbatim::event_sink into(heard& h) {
  return [&h](event const& e) {
    if (e.what == event::kind::token) h.ids.push_back(e.sample.id), h.logprobs.push_back(e.sample.logprob), h.weights.push_back(e.weights);
    if (e.what == event::kind::finished) h.finish = e.finish;
  };
}

}  // namespace random_models
