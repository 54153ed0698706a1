// Which function is which filter. jinja2's random, pprint, urlize, striptags and wordwrap are left out: a template that
// names them is refused when it is parsed (or, under an `if`, when it gets there).
#pragma once
#include <string_view>
#include <unordered_map>

#include "verbatim/text/jinja/ast.hpp"
#include "verbatim/text/jinja/filters_lazy.hpp"

namespace verbatim::jinja {

inline filter find_filter(std::string_view name) {
  namespace f = filters;
  static std::unordered_map<std::string_view, filter> const table = {
      {"abs", f::absolute}, {"attr", f::attr}, {"batch", f::batch}, {"capitalize", f::capitalize}, {"center", f::center},
      {"count", f::length}, {"d", f::or_default}, {"default", f::or_default}, {"dictsort", f::dictsort}, {"e", f::escape},
      {"escape", f::escape}, {"filesizeformat", f::filesizeformat}, {"first", f::first}, {"float", f::to_float},
      {"forceescape", f::forceescape}, {"format", f::format}, {"groupby", f::groupby}, {"indent", f::indent}, {"int", f::to_int},
      {"items", f::items}, {"join", f::join}, {"last", f::last}, {"length", f::length}, {"list", f::list}, {"lower", f::lower},
      {"map", f::map}, {"max", f::extreme<1>}, {"min", f::extreme<-1>}, {"reject", f::choose<false, false>},
      {"rejectattr", f::choose<true, false>}, {"replace", f::replace}, {"reverse", f::reverse}, {"round", f::round},
      {"safe", f::safe}, {"select", f::choose<false, true>}, {"selectattr", f::choose<true, true>}, {"slice", f::slices},
      {"sort", f::sort}, {"string", f::string}, {"sum", f::sum}, {"title", f::title}, {"tojson", f::tojson}, {"trim", f::trim},
      {"truncate", f::truncate}, {"unique", f::unique}, {"upper", f::upper}, {"urlencode", f::urlencode},
      {"wordcount", f::wordcount}, {"xmlattr", f::xmlattr}};
  auto at = table.find(name);
  return at == table.end() ? nullptr : at->second;
}

}  // namespace verbatim::jinja

#include "verbatim/text/jinja/tests.hpp"
