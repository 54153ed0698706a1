// Repetition, presence and frequency penalties as logit ops over the dense counts that the engine keeps per sequence.
// Where a penalty is on, row_history::output_counts (and in_prompt for repetition) must have one entry per vocabulary id;
// a null table means "no token yet". Cost where on: one pass over the tables and the ids that occur. Semantics: those of vLLM.
#pragma once
#include "verbatim/sampling/concepts.hpp"
#include "verbatim/sampling/detail/seen.hpp"

namespace verbatim {

/// Logit op: ids seen in prompt or output are divided by the penalty if positive, multiplied if negative.
struct repetition_penalty {
  static constexpr int revision = 1;
  struct params {
    float value = 1;
    std::uint16_t const* counts = nullptr;
    std::uint8_t const* in_prompt = nullptr;
  };
  static params prepare(sampling_params const& p, row_history const& h) {
    return {p.repetition_penalty, h.output_counts, h.in_prompt};
  }
  static constexpr bool active(params const& p) { return p.value != 1 && (p.counts || p.in_prompt); }
  static constexpr float apply(params const& p, score s) {
    bool const seen = ((p.counts ? int(p.counts[s.id]) : 0) | (p.in_prompt ? int(p.in_prompt[s.id]) : 0)) != 0;
    float const changed = s.value > 0 ? s.value / p.value : s.value * p.value;
    return seen ? changed : s.value;
  }
  static void edit(params const& p, std::span<float> row) {
    detail::each_seen(p.counts, p.in_prompt, row.size(), [&](std::size_t i) { row[i] = apply(p, {row[i], token(i)}); });
  }
};

/// Logit op: `penalty` is subtracted once from ids that occur in the output.
struct presence_penalty {
  static constexpr int revision = 1;
  struct params {
    float value = 0;
    std::uint16_t const* counts = nullptr;
  };
  static params prepare(sampling_params const& p, row_history const& h) { return {p.presence_penalty, h.output_counts}; }
  static constexpr bool active(params const& p) { return p.value != 0 && p.counts; }
  static constexpr float apply(params const& p, score s) { return p.counts[s.id] ? s.value - p.value : s.value; }
  static void edit(params const& p, std::span<float> row) {
    detail::each_seen(p.counts, nullptr, row.size(), [&](std::size_t i) { row[i] = apply(p, {row[i], token(i)}); });
  }
};

/// Logit op: `penalty` is subtracted once per occurrence in the output.
struct frequency_penalty {
  static constexpr int revision = 2;
  struct params {
    float value = 0;
    std::uint16_t const* counts = nullptr;
  };
  static params prepare(sampling_params const& p, row_history const& h) { return {p.frequency_penalty, h.output_counts}; }
  static constexpr bool active(params const& p) { return p.value != 0 && p.counts; }
  /// One rounding, written out: what a compiler fuses of its own accord depends on its options.
  static float apply(params const& p, score s) { return __builtin_fmaf(-p.value, float(p.counts[s.id]), s.value); }
  static void edit(params const& p, std::span<float> row) {
    detail::each_seen(p.counts, nullptr, row.size(), [&](std::size_t i) { row[i] = apply(p, {row[i], token(i)}); });
  }
};

}  // namespace verbatim
