// The least that models each concept of sampling, and near misses that must not.
#include <string>

#include "verbatim/sampling/bad_words.hpp"
#include "verbatim/sampling/chain.hpp"
#include "verbatim/sampling/greedy.hpp"
#include "verbatim/sampling/gumbel.hpp"
#include "verbatim/sampling/logit_bias.hpp"
#include "verbatim/sampling/min_p.hpp"
#include "verbatim/sampling/min_tokens.hpp"
#include "verbatim/sampling/penalties.hpp"
#include "verbatim/sampling/temperature.hpp"
#include "verbatim/sampling/top_k.hpp"
#include "verbatim/sampling/top_p.hpp"

namespace {
using namespace verbatim;

namespace yes {
struct dense { struct params {}; static float apply(params const&, score s) { return s.value; } };
struct sparse { struct params {}; static void edit(params const&, std::span<float>) {} };
struct cut { struct params {}; static float threshold(params const&, std::span<float const>, float peak) { return peak; } };
struct choose {
  static constexpr auto offers = guarantee::layout_invariant;
  struct params {};
  struct partial { token id = -1; };
  static partial take(params const&, partial, score s) { return {s.id}; }
  static partial merge(partial a, partial) { return a; }
  static token result(partial a) { return a.id; }
};
}  // namespace yes
static_assert(logit_op<yes::dense> && logit_op<yes::sparse> && truncation<yes::cut> && selector<yes::choose>);
static_assert(sample<yes::dense, yes::sparse, yes::cut, yes::choose>::offers == guarantee::layout_invariant);

namespace no {
struct owns { struct params { std::string s; }; static float apply(params const&, score s) { return s.value; } };
struct returns_double { struct params {}; static double apply(params const&, score s) { return s.value; } };
struct no_params { static float apply(int, score s) { return s.value; } };
struct no_peak { struct params {}; static float threshold(params const&, std::span<float const>) { return 0; } };
struct no_merge : yes::choose { static partial merge(partial, partial) = delete; };
struct promises_nothing {
  struct params {};
  struct partial { token id = -1; };
  static partial take(params const&, partial, score s) { return {s.id}; }
  static partial merge(partial a, partial) { return a; }
  static token result(partial a) { return a.id; }
};
}  // namespace no
static_assert(!logit_op<no::owns> && !logit_op<no::returns_double> && !logit_op<no::no_params>);
static_assert(!truncation<no::no_peak> && !truncation<yes::dense>);
static_assert(!selector<no::no_merge> && !selector<no::promises_nothing> && !selector<yes::cut>);

static_assert(logit_op<temperature> && logit_op<repetition_penalty> && logit_op<presence_penalty> && logit_op<frequency_penalty> &&
              logit_op<logit_bias> && logit_op<bad_words> && logit_op<min_tokens>);
static_assert(truncation<top_k> && truncation<top_p> && truncation<min_p>);
static_assert(selector<greedy> && selector<gumbel>);
}  // namespace
