// A sampler as a type: sample<logit ops..., truncations..., selector>. One row of logits in, one token with its
// log-probability out. The log-probability is that of the distribution sampled from: after ops, renormalised over what the
// truncations keep. Bits depend on the row, the request's values and the position alone (layout_invariant selectors).
// Nothing allocates after the first row on a thread (or `warm`); rows may be processed on several threads at once.
// Failure is a value: NaN, an infinite peak or a wholly masked row give id -1, never a crash.
#pragma once
#include <tuple>
#include <utility>

#include "verbatim/sampling/concepts.hpp"
#include "verbatim/sampling/detail/row.hpp"
#include "verbatim/sampling/detail/threshold.hpp"
#include "verbatim/sampling/seed.hpp"

namespace verbatim {

namespace detail {

template <class T> consteval int stage_kind() { return logit_op<T> ? 0 : truncation<T> ? 1 : selector<T> ? 2 : 3; }
template <class... S> consteval bool stages_known() { return ((stage_kind<S>() < 3) && ...); }
template <class... S> consteval bool stages_ordered() {
  int at = 0;
  bool ok = true;
  ((ok = ok && stage_kind<S>() >= at && at < 2, at = stage_kind<S>()), ...);
  return ok && at == 2;
}
template <class T> consteval guarantee selector_offers() {
  if constexpr (selector<T>) return T::offers;
  else return guarantee::none;
}
template <class T> consteval int revision_of() {
  if constexpr (requires { int{T::revision}; }) return T::revision;
  else return 0;
}

template <class S> typename S::params prepare_stage(sampling_params const& p, row_history const& h, int position) {
  if constexpr (requires { { S::prepare(p, h, position) } -> std::same_as<typename S::params>; }) return S::prepare(p, h, position);
  else if constexpr (requires { { S::prepare(p, h) } -> std::same_as<typename S::params>; }) return S::prepare(p, h);
  else return typename S::params{};
}
template <class S> bool is_active(typename S::params const& p) {
  if constexpr (requires { { S::active(p) } -> std::convertible_to<bool>; }) return S::active(p);
  else return true;
}

/// A logit op over a row; the inner loop has a fixed length so that every optimisation level vectorises it.
template <class S> void apply_op(typename S::params const& p, std::span<float> row) {
  if constexpr (sparse_op<S>) {
    S::edit(p, row);
  } else {
    auto const own = p;   // a copy: nothing that the loop writes can alias it
    std::size_t i = 0;
    for (; i + lanes <= row.size(); i += lanes)
      for (std::size_t j = 0; j < lanes; ++j) row[i + j] = S::apply(own, score{row[i + j], token(i + j)});
    for (; i < row.size(); ++i) row[i] = S::apply(own, score{row[i], token(i)});
  }
}

/// Masks what lies below t.
inline void mask_below(std::span<float> row, float t) noexcept {
  std::size_t i = 0;
  for (; i + lanes <= row.size(); i += lanes)
    for (std::size_t j = 0; j < lanes; ++j) row[i + j] = row[i + j] >= t ? row[i + j] : masked;
  for (; i < row.size(); ++i) row[i] = row[i] >= t ? row[i] : masked;
}

template <class S> token select(typename S::params const& p, std::span<float const> row, float peak) {
  if constexpr (requires { { S::fold(p, row, peak) } -> std::same_as<typename S::partial>; }) {
    return S::result(S::fold(p, row, peak));
  } else {
    typename S::partial a{};
    for (std::size_t i = 0; i < row.size(); ++i)
      if (row[i] > masked) a = S::take(p, a, score{row[i], token(i)});
    return S::result(a);
  }
}

}  // namespace detail

/// The model's own distribution (temperature 1, nothing masked): log-probability and rank of `id`, and the most likely.
/// Bit-identical to what a chain reports for a row that no stage changes. A bad row or id gives id -1.
inline sampled score_token(std::span<float const> logits, token id, std::span<score> top) {
  return detail::report(logits, detail::finite_peak(logits), id, top);
}

/// The chain. Stages come as logit ops, then truncations, then exactly one selector.
template <class... Stages> struct sample {
  static_assert(detail::stages_known<Stages...>(),
                "sample<...>: every stage must model verbatim::logit_op, verbatim::truncation or verbatim::selector");
  static_assert(detail::stages_ordered<Stages...>(),
                "sample<...>: stages come as logit ops, then truncations, then exactly one selector (greedy or gumbel)");

  static constexpr guarantee offers = std::max({guarantee::none, detail::selector_offers<Stages>()...});
  /// Changes whenever the bits of this chain change: a digest of the chain's own and its stages' revisions.
  static constexpr int revision =
      int(digest_of({std::uint64_t(detail::row_revision), std::uint64_t(detail::revision_of<Stages>())..., sizeof...(Stages)}) & 0x7fffffffu);

  /// What the stages need for one row. It may point into the request and the history.
  struct row {
    std::tuple<typename Stages::params...> params;
  };

  /// `position`: the absolute position that the sampled token will take; noise is keyed by (seed, position, token id).
  static row prepare(sampling_params const& p, row_history const& h, int position) {
    return {{detail::prepare_stage<Stages>(p, h, position)...}};
  }
  /// Samples from one row [vocabulary], which is overwritten with the processed logits (masked: -infinity). `top` is
  /// filled with the most likely (log-probability, id), descending, ties by ascending id. id -1: see the file's head.
  static sampled pick(row const& r, std::span<float> logits, std::span<score> top) {
    float const peak = process(r, logits, each{});
    if (!(peak == peak)) return detail::failed(top);
    return detail::report(logits, peak, detail::select<last>(std::get<sizeof...(Stages) - 1>(r.params), logits, peak), top);
  }
  /// The same distribution, with the token given.
  static sampled take(row const& r, std::span<float> logits, token forced, std::span<score> top) {
    return detail::report(logits, process(r, logits, each{}), forced, top);
  }
  /// Whether a stage may change the row: where none does, what is reported is what score_token reports.
  static bool changes(row const& r) { return any_active(r, each{}); }
  /// Makes this thread's scratch, so that not even its first row allocates.
  static void warm(int vocabulary) { detail::warm_scratch(std::size_t(vocabulary)); }

 private:
  using each = std::index_sequence_for<Stages...>;
  using last = std::tuple_element_t<sizeof...(Stages) - 1, std::tuple<Stages...>>;

  template <std::size_t... At> static bool any_active(row const& r, std::index_sequence<At...>) {
    return ((!selector<Stages> && detail::is_active<Stages>(std::get<At>(r.params))) || ...);
  }
  /// Runs ops and truncations in order. Returns the peak, or NaN where there is nothing to sample from.
  template <std::size_t... At> static float process(row const& r, std::span<float> logits, std::index_sequence<At...>) {
    (op<Stages>(std::get<At>(r.params), logits), ...);
    float const peak = detail::finite_peak(logits);
    if (peak == peak) (truncate<Stages>(std::get<At>(r.params), logits, peak), ...);
    return peak;
  }
  template <class S> static void op(typename S::params const& p, std::span<float> logits) {
    if constexpr (logit_op<S>)
      if (detail::is_active<S>(p)) detail::apply_op<S>(p, logits);
  }
  template <class S> static void truncate(typename S::params const& p, std::span<float> logits, float peak) {
    if constexpr (!logit_op<S> && truncation<S>)
      if (detail::is_active<S>(p))
        if (float const t = S::threshold(p, logits, peak); t > masked) detail::mask_below(logits, std::min(t, peak));
  }
};

}  // namespace verbatim
