// GET /v1/models, /v1/models/{id}: the one model behind this server, with its contract.
#pragma once
#include <string>
#include <string_view>

#include "verbatim/protocol/model_card.hpp"
#include "verbatim/text/json.hpp"

namespace verbatim::openai_v1 {

inline json model_json(model_card const& card) {
  json out;
  out["id"] = card.name;
  out["object"] = "model";
  out["created"] = card.created;
  out["owned_by"] = "verbatim";
  out["root"] = card.name;
  out["parent"] = nullptr;
  out["max_model_len"] = card.context;
  out["vocabulary"] = card.vocabulary;
  out["contract"] = {{"digest", fingerprint(card.contract).substr(3)}, {"text", card.contract_text}};
  return out;
}

inline json model_list(model_card const& card) {
  json out;
  out["object"] = "list";
  out["data"] = json::array({model_json(card)});
  return out;
}

/// `%41` to `A`, once. A broken escape stays as it is.
inline std::string percent_decoded(std::string_view s) {
  auto const digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '%' && i + 2 < s.size() && digit(s[i + 1]) >= 0 && digit(s[i + 2]) >= 0) {
      out += char(digit(s[i + 1]) * 16 + digit(s[i + 2]));
      i += 2;
    } else {
      out += s[i];
    }
  }
  return out;
}

}  // namespace verbatim::openai_v1
