// What the laws of a running engine are checked on: the pipeline is their template argument, this is the rest. The same laws run on CPUs, on
// CUDA devices under the host executor, and on a GPU (tests/cuda).
#pragma once
#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>

#include "../../catch.hpp"
#include "../heard.hpp"
#include "../random_models.hpp"
#include "verbatim/backend/cuda/device.hpp"
#include "verbatim/front/generate.hpp"
#include "verbatim/weights/safetensors_write.hpp"

namespace laws {

using namespace random_models;
using verbatim::request;
using verbatim::tensor;

/// Whether a step of the engine may stay in flight while the next one is planned.
template <class P> inline constexpr bool runs_ahead = verbatim::cuda::device<typename P::device>;

struct subject {
  std::filesystem::path model;
  bool random_weights = true;
  bool brief = false;   ///< few requests, short ones: the host executor takes a hundred times as long

  /// `full` on a CPU or a GPU, `few` under the host executor.
  int of(int full, int few) const { return brief ? few : full; }
  verbatim::engine_config config(int threads = 1) const {
    verbatim::engine_config c{.checkpoint = model, .random_weights = random_weights, .threads = threads};
    if (brief) c.max_batch = 8, c.step_tokens = 64, c.context = 200;
    return c;
  }
};
/// Random weights for a model of `architecture` in P's arithmetic, with heads that P's device has kernels for; otherwise as `v` says.
template <class P> struct random_subject : folder, subject {
  explicit random_subject(std::string const& architecture, bool brief = false, bool tied = false) : random_subject(architecture, variant{.tied = tied}, brief) {}
  random_subject(std::string const& architecture, variant const& v, bool brief = false)
      : folder(config_of(architecture, type(), with_heads_of(runs_ahead<P> ? device_head_dim(type()) : 16, v))), subject{folder::path(), true, brief} {}
  static std::string type() { return sizeof(typename P::dtype) == 2 ? "bfloat16" : "float32"; }
};
/// On a CUDA device under the host executor, or whatever else P's device is.
template <class P> inline constexpr bool is_emulated = std::derived_from<typename P::device, verbatim::cuda::emulated>;

/// As many bytes of KV as so many pages of the engine's.
template <class P> std::size_t bytes_of_pages(verbatim::engine<P> const& engine, int pages) {
  auto const has = engine.resources();
  return has.kv_bytes / std::size_t(has.kv_pages) * std::size_t(pages);
}

/// Tokens and log-probabilities, as bits.
using answer_bits = std::pair<std::vector<token>, std::vector<std::uint32_t>>;
inline answer_bits bits(verbatim::completion const& c) {
  answer_bits out{c.ids, {}};
  for (float x : c.logprobs) out.second.push_back(std::bit_cast<std::uint32_t>(x));
  return out;
}

/// How many of a continuation's log-probabilities differ, as bits, from those that `engine` gives when it scores prompt and answer: sampled at
/// temperature 1, without penalties or truncation, they are the same.
template <class P> long bits_not_scored(verbatim::engine<P>& engine, request const& r, verbatim::completion const& c) {
  auto all = r.prompt;
  all.insert(all.end(), c.ids.begin(), c.ids.end());
  auto const scored = engine.score(all);
  REQUIRE(scored.size() == all.size() - 1);
  REQUIRE(c.logprobs.size() == c.ids.size());
  long different = 0;
  for (std::size_t k = 0; k < c.ids.size(); ++k)
    different += std::bit_cast<std::uint32_t>(scored[r.prompt.size() - 1 + k]) != std::bit_cast<std::uint32_t>(c.logprobs[k]);
  return different;
}

template <class Engine> bool drain(Engine& engine, int steps = 5000) {
  while (engine.poll())
    if (--steps < 0) return false;
  return true;
}

/// The number of the error that f throws, as area.number.
template <class F> std::string thrown(F&& f) {
  try {
    f();
  } catch (verbatim::error const& e) {
    return std::string(e.area()) + "." + std::to_string(e.number());
  }
  return "nothing";
}

}  // namespace laws
