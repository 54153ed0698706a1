// What a pipeline promises about its numbers, as terms, as one number to compare and in words. Two engines with the same
// digest give the same bits for the same weights and tokens; a trainer compares digests before its first step.
// Bits change with: the level and the leaves, the type of weights, activations and KV, where activations are rounded, and
// the revisions of the kernels, the attention, the products, the elementary functions and the sampling chain; and, where they are not the
// checkpoint's and the activations', with the formats of weights and of keys and values.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "verbatim/core/bf16.hpp"
#include "verbatim/core/kv_format.hpp"
#include "verbatim/engine/pipeline.hpp"
#include "verbatim/numerics/contract.hpp"
#include "verbatim/numerics/math.hpp"

namespace verbatim {

/// The terms of a contract.
struct contract_terms {
  numerics asked{};
  std::string_view type{};         ///< of weights, activations, keys and values: bf16 or f32
  std::string_view kernels{};      ///< family of the device's kernels
  int kernels_revision = 0, attention_revision = 0, linear_revision = 0, functions_revision = 0, sampler_revision = 0;
  int rounding_revision = 0;       ///< of the list in docs/numerics.md, "Rounding points"
  weight_format weights = weight_format::checkpoint;   ///< what the checkpoint's weights become, and how
  int quantiser_revision = 0;      ///< 0 where they stay what they are
  kv_format kv = kv_format::activations;   ///< what keys and values become
  int kv_quantiser_revision = 0;
  bool flushes_bf16 = false;       ///< the device's bf16 products take subnormals for zero
};

/// Where activations are rounded; the number changes with docs/numerics.md, "Rounding points".
inline constexpr int rounding_points_revision = 1;

template <class P> constexpr contract_terms terms_of(storage_formats f = {}) {
  using device = typename P::device;
  constexpr bool narrow = std::is_same_v<typename P::dtype, bf16>;
  contract_terms t{.asked = P::contract, .type = narrow ? "bf16" : "f32", .functions_revision = functions_revision,
                   .rounding_revision = rounding_points_revision, .weights = f.weights,
                   .quantiser_revision = f.weights == weight_format::checkpoint ? 0 : verbatim::quantiser_revision};
  if (f.kv == kv_format::int8 || (f.kv == kv_format::bf16 && !narrow)) t.kv = f.kv;
  if (t.kv == kv_format::int8) t.kv_quantiser_revision = verbatim::kv_quantiser_revision;
  if constexpr (requires { device::kernels; }) t.kernels = device::kernels;
  if constexpr (requires { int{device::revision}; }) t.kernels_revision = device::revision;
  if constexpr (requires { int{P::attention::revision}; }) t.attention_revision = P::attention::revision;
  if constexpr (requires { int{P::linear::revision}; }) t.linear_revision = P::linear::revision;
  if constexpr (requires { int{P::sampler::revision}; }) t.sampler_revision = P::sampler::revision;
  if constexpr (requires { bool{device::flushes_bf16}; }) t.flushes_bf16 = narrow && device::flushes_bf16;
  return t;
}

constexpr std::uint64_t digest(contract_terms const& t) {
  auto const number = [](int n) { return std::uint64_t(std::int64_t(n)); };
  std::uint64_t h = digest_of({number(t.kernels_revision), number(t.attention_revision), number(t.functions_revision),
                               number(t.sampler_revision), number(t.rounding_revision), std::uint64_t(t.flushes_bf16)}, digest(t.asked));
  for (std::string_view const name : {t.type, t.kernels}) {
    for (char c : name) h = digest_of({std::uint64_t(static_cast<unsigned char>(c))}, h);
    h = digest_of({name.size()}, h);
  }
  if (t.weights != weight_format::checkpoint)
    h = digest_of({0x77666d74u /* terms that older digests did not have */, std::uint64_t(t.weights), number(t.quantiser_revision)}, h);
  if (t.linear_revision > 1) h = digest_of({0x6c696eu, number(t.linear_revision)}, h);
  if (t.kv != kv_format::activations) h = digest_of({0x6b76u, std::uint64_t(t.kv), number(t.kv_quantiser_revision)}, h);
  return h;
}

/// The digest of P's contract; what engine<P>::contract() gives.
template <class P> constexpr std::uint64_t contract_of(storage_formats f = {}) { return digest(terms_of<P>(f)); }

inline std::string to_string(contract_terms const& t) {
  std::string out(name_of(t.asked.level));
  out += ", kv_leaf " + std::to_string(t.asked.kv_leaf) + ", k_leaf " + std::to_string(t.asked.k_leaf);
  out += t.kv == kv_format::activations ? "; weights, activations, keys and values in " : "; weights and activations in ";
  out += t.type;
  bool const rounds_operands = t.weights == weight_format::w4a8, formats = t.weights != weight_format::checkpoint || t.kv != kv_format::activations;
  if (t.type == "bf16") out += ", rounded after norms, linear layers, rotation, gating and residual additions; logits and log-softmax in f32";
  else out += formats ? ", rounded below f32 by nothing but the formats named here" : ", nothing rounded below f32";
  out += " (rounding points " + std::to_string(t.rounding_revision) + ")";
  out += "; kernels " + std::string(t.kernels) + " " + std::to_string(t.kernels_revision);
  out += ", attention " + std::to_string(t.attention_revision) + ", linear " + std::to_string(t.linear_revision) + ", functions " + std::to_string(t.functions_revision);
  out += ", sampler " + std::to_string(t.sampler_revision);
  if (t.weights != weight_format::checkpoint)
    out += "; matrices quantised to " + std::string(name_of(t.weights)) + " in blocks of 32 (quantiser " + std::to_string(t.quantiser_revision) + ")";
  if (rounds_operands) out += "; what they are multiplied with is rounded to eight bits in blocks of 32";
  if (t.kv == kv_format::int8) out += "; keys and values quantised to int8 in blocks of 32 (quantiser " + std::to_string(t.kv_quantiser_revision) + ")";
  if (t.kv == kv_format::bf16) out += "; keys and values rounded to bf16";
  if (t.flushes_bf16) out += "; subnormal bf16 products are zero";
  return out;
}

}  // namespace verbatim
