// Where output tokens come from: which weights computed them, and whether the policy sampled them at all. Both are spans over
// the output of a choice, half-open, so that an answer says it in a line however long it is.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "verbatim/engine/weight_versions.hpp"
#include "verbatim/protocol/mailbox.hpp"
#include "verbatim/protocol/wire.hpp"

namespace verbatim::openai_v1 {

/// Tokens [begin, end) of a choice.
struct token_span {
  std::uint64_t what = 0;   ///< the number of the weights; 1 for tokens that were given
  int begin = 0, end = 0;
};

/// Both kinds of spans of one choice while it grows.
class provenance {
 public:
  void add(kept_event const& e) {
    extend(weights_, e.weights);
    if (e.forced) extend(forced_, 1);
    ++tokens_;
  }
  /// `,"weight_versions":[{"version","start","end"}…]`. A caller may give two sets of weights one label: they stay two spans.
  void put_versions(std::string& out, weight_versions const& names) const {
    out += ",\"weight_versions\":";
    wire::put_list(out, weights_, [&](token_span const& s) {
      out += "{\"version\":";
      wire::put_string(out, names.label(s.what));
      out += ",\"start\":";
      wire::put_integer(out, s.begin);
      out += ",\"end\":";
      wire::put_integer(out, s.end);
      out += '}';
    });
  }
  /// `,"prompt_weight_version":"…"`: of the weights that gave the prompt's log-probabilities.
  void put_prompt_version(std::string& out, weight_versions const& names) const {
    out += ",\"prompt_weight_version\":";
    wire::put_string(out, names.label(prompt_));
  }
  void prompt(std::uint64_t weights) noexcept { prompt_ = weights; }
  /// `,"forced_tokens":[[start,end]…]`, or nothing where there are none.
  void put_forced(std::string& out) const {
    if (forced_.empty()) return;
    out += ",\"forced_tokens\":";
    wire::put_list(out, forced_, [&](token_span const& s) {
      out += '[';
      wire::put_integer(out, s.begin);
      out += ',';
      wire::put_integer(out, s.end);
      out += ']';
    });
  }

 private:
  void extend(std::vector<token_span>& spans, std::uint64_t what) {
    if (!spans.empty() && spans.back().what == what && spans.back().end == tokens_) ++spans.back().end;
    else spans.push_back({what, tokens_, tokens_ + 1});
  }

  std::uint64_t prompt_ = 0;
  std::vector<token_span> weights_, forced_;
  int tokens_ = 0;
};

}  // namespace verbatim::openai_v1
