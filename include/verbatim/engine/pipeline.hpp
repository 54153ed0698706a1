// A pipeline is a struct: parts are named members, a user inherits these defaults and overrides by name.
// Defaults may depend on the device and the model, never on another member. Types go here, values into engine_config.
#pragma once
#include "verbatim/backend/cpu/isa.hpp"
#include "verbatim/cache/concept.hpp"
#include "verbatim/cache/paged.hpp"
#include "verbatim/core/bf16.hpp"
#include "verbatim/model/llama.hpp"
#include "verbatim/model/qwen.hpp"
#include "verbatim/numerics/contract.hpp"
#include "verbatim/sampling/bad_words.hpp"
#include "verbatim/sampling/chain.hpp"
#include "verbatim/sampling/gumbel.hpp"
#include "verbatim/sampling/logit_bias.hpp"
#include "verbatim/sampling/min_p.hpp"
#include "verbatim/sampling/min_tokens.hpp"
#include "verbatim/sampling/penalties.hpp"
#include "verbatim/sampling/temperature.hpp"
#include "verbatim/sampling/top_k.hpp"
#include "verbatim/sampling/top_p.hpp"
#include "verbatim/schedule/batch.hpp"
#include "verbatim/schedule/first_come.hpp"
#include "verbatim/text/bpe.hpp"
#include "verbatim/text/concept.hpp"

namespace verbatim {

/// What fronts and HTTP APIs expect of a sampler: every stage that an OpenAI-style request can ask for.
using full_sampler = sample<logit_bias, bad_words, min_tokens, repetition_penalty, presence_penalty, frequency_penalty,
                            temperature, top_k, top_p, min_p, gumbel>;

/// What pipelines on a device have where they name no contract: its own, or batch_invariant.
template <class Device> inline constexpr numerics contract_of_device = batch_invariant;
template <class Device> requires requires { numerics{Device::contract}; } inline constexpr numerics contract_of_device<Device> = Device::contract;

/// `Device`: cpu::native, cpu::reference, … `Model`: llama, qwen2, qwen3, … (see with_checkpoint for choosing at run time).
template <class Device, class Model> struct pipeline {
  using device = Device;
  using architecture = Model;
  using dtype = bf16;                     ///< of weights, activations and KV: bf16 or float
  using text = bpe;
  using cache = paged<64>;
  using attention = typename Device::attention;
  using linear = typename Device::linear;   ///< kernel of matrix products
  using sampler = full_sampler;
  using schedule = first_come;
  static constexpr numerics contract = contract_of_device<Device>;
};

template <class T>
concept sampling_chain = offers_guarantee<T> && requires(sampling_params const& p, row_history const& h, std::span<float> row, std::span<score> top) {
  { T::pick(T::prepare(p, h, 0), row, top) } -> std::same_as<sampled>;
  { T::take(T::prepare(p, h, 0), row, token(0), top) } -> std::same_as<sampled>;
};
template <class T>
concept attention_kernel = offers_guarantee<T> && requires { typename T::policy; };
template <class T>
concept linear_kernel = offers_guarantee<T> && requires { typename T::policy; };
template <class T>
concept arithmetic = std::same_as<T, float> || std::same_as<T, bf16>;

/// Asserts everything about a pipeline, in the order of dependency: first the concepts, then the contract. The engine
/// instantiates nothing before this holds, so the first error of any misuse is one of these sentences.
template <class P> consteval bool check() {
  static_assert(arithmetic<typename P::dtype>, "pipeline::dtype must be verbatim::bf16 or float");
  static_assert(tokenizer<typename P::text>, "pipeline::text must model verbatim::tokenizer (encode, vocabulary, is_stop, stream)");
  static_assert(kv_cache<typename P::cache>, "pipeline::cache must model verbatim::kv_cache (page, a plain view, a book)");
  static_assert(attention_kernel<typename P::attention>, "pipeline::attention must model verbatim::attention_kernel (offers, policy)");
  static_assert(linear_kernel<typename P::linear>, "pipeline::linear must model verbatim::linear_kernel (offers, policy)");
  static_assert(sampling_chain<typename P::sampler>, "pipeline::sampler must be a verbatim::sample<...>: logit ops, then truncations, then one selector");
  static_assert(scheduler<typename P::schedule>, "pipeline::schedule must model verbatim::scheduler (a pure call on waiting, running and batch)");
  static_assert(guarantee_of<typename P::attention> >= P::contract.level, "pipeline::contract asks for more than pipeline::attention offers");
  static_assert(guarantee_of<typename P::linear> >= P::contract.level, "pipeline::contract asks for more than pipeline::linear offers");
  static_assert(guarantee_of<typename P::sampler> >= P::contract.level, "pipeline::contract asks for more than pipeline::sampler offers");
  if constexpr (requires { int{P::linear::k_leaf}; })
    static_assert(P::contract.k_leaf == P::linear::k_leaf, "pipeline::contract's k_leaf is not that of pipeline::linear");
  return true;
}

}  // namespace verbatim
