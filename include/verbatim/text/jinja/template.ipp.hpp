// The bodies of template.hpp, and behind them the whole language (core/separate.hpp says who includes this).
#pragma once
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "verbatim/text/jinja/filters.hpp"
#include "verbatim/text/jinja/globals.hpp"
#include "verbatim/text/jinja/interpreter.hpp"
#include "verbatim/text/jinja/parser.hpp"
#include "verbatim/text/jinja/template.hpp"
#include "verbatim/text/jinja/tests.hpp"

namespace verbatim::jinja {

VERBATIM_BODY std::tm local_now() {
  std::time_t t = std::time(nullptr);
  std::tm out{};
  localtime_r(&t, &out);
  return out;
}

namespace detail {

[[noreturn]] inline void throw_failure(failure const& f, int line) {
  std::string message = (line ? "line " + std::to_string(line) + ": " : "") + f.message;
  switch (f.number) {
    case 3: throw error("template", 3, message);
    case 4: throw error("template", 4, message);
    case 5: throw error("template", 5, message);
    default: throw error("template", 2, message);
  }
}

}  // namespace detail

VERBATIM_BODY source_template::source_template(std::string_view source) : tree_(std::make_shared<syntax_tree const>(parse(source))) {}

VERBATIM_BODY rendering source_template::render(json const& context, std::tm now, limits l) const {
  return render_with([&](std::string const& name) {
    auto at = context.find(name);
    return at == context.end() ? nullptr : &*at;
  }, now, l);
}

VERBATIM_BODY rendering source_template::render_with(std::function<json const*(std::string const&)> const& lookup, std::tm now, limits l) const {
  interpreter run(*tree_, l, now);
  try {
    for (std::size_t i = 0; i < tree_->names.size(); ++i) {
      json const* given = lookup(tree_->names[i]);
      value v = given ? from_json(*given) : find_global(tree_->names[i]);
      if (!v.undefined()) run.define(int(i), std::move(v));
    }
    std::string text = run.run();
    return {std::move(text), std::move(run.generated)};
  } catch (failure const& f) {
    detail::throw_failure(f, run.line);
  }
}

}  // namespace verbatim::jinja
