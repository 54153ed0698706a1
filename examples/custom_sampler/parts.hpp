// Two parts of one's own for a pipeline: a logit op and a KV-cache policy. Nothing is registered and nothing derives from a
// base class; a part is a type that satisfies a concept.
#pragma once
#include <verbatim/cache/paged.hpp>
#include <verbatim/sampling/concepts.hpp>

// [logit_op]
/// Never samples one token. Its id comes with the request: sampling.extra = {{"forbid", id}} (HTTP: "vllm_xargs").
struct forbid {
  struct params { verbatim::token id; };
  static params prepare(verbatim::sampling_params const& p, verbatim::row_history const&) {
    return {verbatim::token(verbatim::extra_value(p, "forbid", -1))};
  }
  static constexpr bool active(params const& p) { return p.id >= 0; }
  static constexpr float apply(params const& p, verbatim::score s) { return s.id == p.id ? verbatim::masked : s.value; }
};
static_assert(verbatim::logit_op<forbid>);
// [logit_op]

// [cache]
/// A paged cache that never shares: no request can learn from its speed what another one asked before.
template <int Page> struct private_pages {
  static constexpr int page = Page;
  using view = typename verbatim::paged<Page>::view;
  struct book : verbatim::paged<Page>::book {
    using shared = typename verbatim::paged<Page>::book;
    using shared::shared;
    verbatim::prefix_match match(std::span<verbatim::token const>) const { return {}; }
    std::optional<verbatim::sequence> open(std::span<verbatim::token const>, int) { return shared::open({}, 0); }
  };
};
static_assert(verbatim::kv_cache<private_pages<32>>);
// [cache]
