// A template: parsed once, rendered many times, from any number of threads (it is constant after construction).
// Semantics: Python jinja2 3.1.6 in transformers' configuration – immutable sandbox, trim_blocks, lstrip_blocks, loop
// controls, {% generation %}, tojson without HTML escaping. Bounded by `limits`. Cost: linear in what is evaluated.
// Throws error("template", n): 1 syntax, 2 runtime, 3 undefined, 4 limits, 5 raise_exception; all but syntax at render.
#pragma once
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "verbatim/core/separate.hpp"
#include "verbatim/text/jinja/limits.hpp"
#include "verbatim/text/jinja/rendering.hpp"
#include "verbatim/text/json.hpp"

namespace verbatim::jinja {

struct syntax_tree;

std::tm local_now();

/// A value: copies share the parsed tree.
class source_template {
 public:
  /// Throws error("template", 1) that names the line.
  explicit source_template(std::string_view source);

  /// `context` is a JSON object; only the names that the template mentions are converted.
  rendering render(json const& context, std::tm now = local_now(), limits l = {}) const;

  /// `lookup` gives null for a name that is not there.
  rendering render_with(std::function<json const*(std::string const&)> const& lookup, std::tm now, limits l = {}) const;

 private:
  std::shared_ptr<syntax_tree const> tree_;
};

}  // namespace verbatim::jinja

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/text/jinja/template.ipp.hpp"
#endif
