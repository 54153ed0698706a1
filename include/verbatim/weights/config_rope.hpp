// The rotary part of config.json: "rope_parameters" (transformers 5) or "rope_theta" and "rope_scaling" (transformers 4).
// Supported: default, linear, llama3. Refused, never approximated: dynamic, yarn, longrope, partial rotary, per-layer sets.
#pragma once
#include <string>

#include "verbatim/model/config.hpp"
#include "verbatim/text/json.hpp"
#include "verbatim/weights/config_fields.hpp"

namespace verbatim::weights::detail {

/// Field of `inner` (the nested object), else of the top level, else 10000.
inline float theta_in(config_fields const& top, config_fields const& inner) {
  constexpr double lowest = 1, highest = 1e15;
  if (auto const own = inner.number("rope_theta", lowest, highest)) return *own;
  return top.number("rope_theta", lowest, highest).value_or(10000.0f);
}

inline float required_number(config_fields const& f, char const* field, double lowest, double highest) {
  auto const v = f.number(field, lowest, highest);
  if (!v) f.refuse(fault::missing, field, "a number");
  return *v;
}

inline void read_llama3(config_fields const& top, config_fields const& inner, model_config& c) {
  c.scaling.type = rope_scaling::kind::llama3;
  c.scaling.factor = required_number(inner, "factor", 1, 1e6);
  c.scaling.low_freq_factor = required_number(inner, "low_freq_factor", 1e-3, 1e6);
  c.scaling.high_freq_factor = required_number(inner, "high_freq_factor", 1e-3, 1e6);
  if (!(c.scaling.high_freq_factor > c.scaling.low_freq_factor))
    inner.refuse(fault::inconsistent, "high_freq_factor", "more than low_freq_factor");
  // As in transformers, the field at the top level counts first, and the context is what is left without either.
  c.scaling.original_context = inner.integer("original_max_position_embeddings", 1, 1 << 27, c.context);
  c.scaling.original_context = top.integer("original_max_position_embeddings", 1, 1 << 27, c.scaling.original_context);
}

/// Sets rope_theta and scaling; wants c.context. Throws error("config", 4 … 8).
inline void read_rope(config_fields const& f, model_config& c) {
  static json const none = json::object();
  bool const old = f.has("rope_scaling") && !(f.find("rope_scaling")->is_object() && f.find("rope_scaling")->empty());
  char const* const field = old ? "rope_scaling" : "rope_parameters";              // the older field wins, as in transformers
  if (f.has(field) && !f.find(field)->is_object()) f.refuse(fault::type, field, "an object");
  config_fields const inner(f.has(field) ? *f.find(field) : none, f.file(), std::string(field) + ".");
  c.rope_theta = theta_in(f, inner);
  for (auto const* g : {&f, &inner})
    if (g->number("partial_rotary_factor", 0, 1e6).value_or(1) != 1) g->refuse(fault::unsupported, "partial_rotary_factor", "1");
  char const* const kind = inner.has("rope_type") ? "rope_type" : "type";
  auto const type = inner.text(kind).value_or("default");
  if (!inner.has(kind))
    for (auto const& [key, value] : inner.object().items())
      if (value.is_object())
        inner.fail(fault::unsupported, "rope_type",
                   "one set of parameters for all layers expected, one for \"" + key.substr(0, 60) + "\" found");
  if (type == "default") return;
  if (type == "linear") {
    c.scaling.type = rope_scaling::kind::linear;
    c.scaling.factor = required_number(inner, "factor", 1e-3, 1e6);
    return;
  }
  if (type != "llama3") inner.refuse(fault::unsupported, kind, "\"default\", \"linear\" or \"llama3\"");
  read_llama3(f, inner, c);
}

}  // namespace verbatim::weights::detail
