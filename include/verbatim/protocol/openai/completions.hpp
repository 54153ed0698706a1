// POST /v1/completions, the request: a prompt is text, token ids, or a list of either.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "verbatim/protocol/openai/sampling_fields.hpp"

namespace verbatim::openai_v1 {

using text_or_ids = std::variant<std::string, std::vector<token>>;

struct completion_request {
  generation_fields common{};
  std::vector<text_or_ids> prompts{};
  bool echo = false, logprobs = false;
};

namespace detail {

inline bool read_id_list(fields& f, json const& list, std::string const& name, int vocabulary, std::vector<token>& out) {
  out.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto const id = as_integer(list[i]);
    if (!id || *id < 0 || *id >= vocabulary)
      return f.add(name + "." + std::to_string(i), "expected a token id below " + std::to_string(vocabulary) + ", found " + excerpt(list[i])), false;
    out.push_back(token(*id));
  }
  return true;
}

/// One prompt of a list, or the whole of a single one.
inline void read_prompt(fields& f, json const& v, std::string const& name, int vocabulary, std::vector<text_or_ids>& out) {
  if (v.is_string()) {
    if (v.get_ref<std::string const&>().empty()) return f.add(name, "must not be empty");
    out.emplace_back(v.get<std::string>());
  } else if (v.is_array()) {
    std::vector<token> ids;
    if (v.empty()) return f.add(name, "must not be empty");
    if (read_id_list(f, v, name, vocabulary, ids)) out.emplace_back(std::move(ids));
  } else {
    f.add(name, "expected text or token ids, found " + excerpt(v));
  }
}

}  // namespace detail

inline std::vector<text_or_ids> read_prompts(fields& f, model_card const& card, request_bounds const& bounds) {
  std::vector<text_or_ids> out;
  json const* v = f.find("prompt");
  if (!v) return f.add("prompt", "missing"), out;
  bool const many = v->is_array() && !v->empty() && ((*v)[0].is_string() || (*v)[0].is_array());
  if (!many) return detail::read_prompt(f, *v, "prompt", card.vocabulary, out), out;
  if (int(v->size()) > bounds.max_prompts) return f.add("prompt", "more than " + std::to_string(bounds.max_prompts) + " prompts"), out;
  for (std::size_t i = 0; i < v->size(); ++i) detail::read_prompt(f, (*v)[i], "prompt." + std::to_string(i), card.vocabulary, out);
  return out;
}

/// Reads the body of a completion. What is wrong goes to the report of `f`.
inline completion_request read_completion(fields& f, model_card const& card, request_bounds const& bounds) {
  completion_request r;
  r.common = read_generation(f, card, bounds);
  request& ask = r.common.ask;
  r.prompts = read_prompts(f, card, bounds);
  if (int(r.prompts.size()) * ask.count > bounds.max_sequences)
    f.add("n", "prompts times n is more than " + std::to_string(bounds.max_sequences));
  r.echo = f.boolean("echo").value_or(false);
  if (auto const most = f.integer("max_tokens", 0, int_max)) r.common.max_tokens = int(*most);
  else if (ask.forced.empty()) r.common.max_tokens = 16;
  fit_forced(f, r.common);
  if (*r.common.max_tokens == 0 && !r.echo && ask.prompt_logprobs < 0)
    f.add("max_tokens", "0 only with echo: true or prompt_logprobs");
  r.common.special_tokens = f.boolean("add_special_tokens").value_or(true);
  if (auto const top = f.integer("logprobs", 0, card.max_logprobs)) {
    r.logprobs = true;
    ask.top_logprobs = int(*top);
    if (r.echo) ask.prompt_logprobs = std::max(ask.prompt_logprobs, int(*top));
  }
  f.only("suffix", [](json const& v) { return v == ""; }, "insertion is not offered");
  f.only("best_of", [&](json const& v) { return as_integer(v) == ask.count; }, "only equal to n; choices are not ranked here");
  return r;
}

}  // namespace verbatim::openai_v1
