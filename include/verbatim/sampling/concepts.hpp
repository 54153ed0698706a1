// What a stage of a sampling chain is: logit op, truncation or selector. A chain is ops, then truncations, then one selector.
// Every stage has `params`, a pod made once per row by an optional `prepare(sampling_params, row_history[, position])`
// (value-initialised otherwise) and, optionally, `active(params)`: false means that the stage changes nothing in this row
// and costs nothing. Params may point into the request's vectors, which outlive the row. Stages have no state.
#pragma once
#include <concepts>
#include <limits>
#include <span>
#include <string_view>

#include "verbatim/core/token.hpp"
#include "verbatim/numerics/contract.hpp"
#include "verbatim/sampling/params.hpp"

namespace verbatim {

/// A masked logit. It has probability zero and is reported with `logprob_floor`.
inline constexpr float masked = -std::numeric_limits<float>::infinity();
/// The lowest log-probability that is reported; always finite, so that it survives JSON.
inline constexpr float logprob_floor = -9999.0f;

/// Changes each logit by itself: `apply(params, score) -> float`, for every id of the row.
template <class T>
concept dense_op = pod<typename T::params> && requires(typename T::params const& p, score s) {
  { T::apply(p, s) } -> std::same_as<float>;
};
/// Changes few logits in place: `edit(params, row)`. Costs what it touches. It must check ids against row.size().
template <class T>
concept sparse_op = pod<typename T::params> && requires(typename T::params const& p, std::span<float> row) {
  { T::edit(p, row) } -> std::same_as<void>;
};
/// A stage that adjusts logits. Where both members exist, `edit` is used.
template <class T>
concept logit_op = dense_op<T> || sparse_op<T>;

/// Decides a threshold: logits below `threshold(params, row, peak)` are masked, equal ones stay. `peak` is the row's
/// largest value (finite); the row holds no NaN. `masked` (-infinity) keeps everything.
template <class T>
concept truncation = pod<typename T::params> &&
                     requires(typename T::params const& p, std::span<float const> row, float peak) {
                       { T::threshold(p, row, peak) } -> std::same_as<float>;
                     };

/// Folds scores into one token. `partial{}` is the identity of `merge`, which is associative and commutative, so tiles
/// and ranks may be folded in any order. Optional: `fold(params, row, peak) -> partial`, equal to folding every `take`.
template <class T>
concept selector = offers_guarantee<T> && pod<typename T::params> && pod<typename T::partial> &&
                   requires(typename T::params const& p, typename T::partial a, score s) {
                     { T::take(p, a, s) } -> std::same_as<typename T::partial>;
                     { T::merge(a, a) } -> std::same_as<typename T::partial>;
                     { T::result(a) } -> std::same_as<token>;
                   };

/// Any type that can stand in a chain.
template <class T>
concept sampling_stage = logit_op<T> || truncation<T> || selector<T>;

/// The value that a request gave for a user's own stage, or `otherwise`.
inline double extra_value(sampling_params const& p, std::string_view name, double otherwise) noexcept {
  for (auto const& [key, value] : p.extra)
    if (key == name) return value;
  return otherwise;
}

}  // namespace verbatim
