// A template: parsed once, rendered many times, from any number of threads (it is constant after construction).
// Semantics: Python jinja2 3.1.6 in transformers' configuration – immutable sandbox, trim_blocks, lstrip_blocks, loop
// controls, {% generation %}, tojson without HTML escaping. Bounded by `limits`. Cost: linear in what is evaluated.
// Throws error("template", n): 1 syntax, 2 runtime, 3 undefined, 4 limits, 5 raise_exception; all but syntax at render.
#pragma once
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/jinja/filters.hpp"
#include "verbatim/text/jinja/globals.hpp"
#include "verbatim/text/jinja/interpreter.hpp"
#include "verbatim/text/jinja/parser.hpp"
#include "verbatim/text/jinja/tests.hpp"

namespace verbatim::jinja {

struct rendering {
  std::string text;
  std::vector<span> generated;                     ///< bytes that {% generation %} blocks wrote, in order
};

inline std::tm local_now() {
  std::time_t t = std::time(nullptr);
  std::tm out{};
  localtime_r(&t, &out);
  return out;
}

class source_template {
 public:
  /// Throws error("template", 1) that names the line.
  explicit source_template(std::string_view source) : tree_(parse(source)) {}

  /// `context` is a JSON object; only the names that the template mentions are converted.
  rendering render(json const& context, std::tm now = local_now(), limits l = {}) const {
    return render_with([&](std::string const& name) {
      auto at = context.find(name);
      return at == context.end() ? nullptr : &*at;
    }, now, l);
  }

  /// `lookup(std::string const&)` gives `json const*`, null for a name that is not there.
  template <class Lookup>
  rendering render_with(Lookup lookup, std::tm now, limits l = {}) const {
    interpreter run(tree_, l, now);
    try {
      for (std::size_t i = 0; i < tree_.names.size(); ++i) {
        json const* given = lookup(tree_.names[i]);
        value v = given ? from_json(*given) : find_global(tree_.names[i]);
        if (!v.undefined()) run.define(int(i), std::move(v));
      }
      std::string text = run.run();
      return {std::move(text), std::move(run.generated)};
    } catch (failure const& f) {
      throw_failure(f, run.line);
    }
  }

 private:
  [[noreturn]] static void throw_failure(failure const& f, int line) {
    std::string message = (line ? "line " + std::to_string(line) + ": " : "") + f.message;
    switch (f.number) {
      case 3: throw error("template", 3, message);
      case 4: throw error("template", 4, message);
      case 5: throw error("template", 5, message);
      default: throw error("template", 2, message);
    }
  }
  syntax_tree tree_;
};

}  // namespace verbatim::jinja
