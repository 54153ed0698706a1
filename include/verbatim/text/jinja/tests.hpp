// The tests behind `is`, by name.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>

#include "verbatim/text/jinja/ast.hpp"
#include "verbatim/text/jinja/members.hpp"

namespace verbatim::jinja {

namespace tests {

inline value const& other(arguments const& a) { return *bind("test", a, {"other"}, 1)[0]; }
inline void alone(arguments const& a) { bind("test", a, {}); }

template <kind K>
bool of_kind(runtime&, value const& v, arguments& a) { return alone(a), v.is(K); }
template <bool Wanted>
bool boolean(runtime&, value const& v, arguments& a) { return alone(a), v.is(kind::boolean) && v.boolean() == Wanted; }
inline bool defined(runtime&, value const& v, arguments& a) { return alone(a), !v.undefined(); }
inline bool number(runtime&, value const& v, arguments& a) { return alone(a), v.is_number(); }

template <int Rest>
bool parity(runtime& r, value const& v, arguments& a) {
  alone(a);
  return equal(r.budget, operate(r.budget, binary::modulo, v, 2), Rest);
}
inline bool divisible(runtime& r, value const& v, arguments& a) {
  return equal(r.budget, operate(r.budget, binary::modulo, v, *bind("divisibleby", a, {"num"}, 1)[0]), 0);
}

inline bool sequence(runtime&, value const& v, arguments& a) {
  alone(a);
  return v.is_string() || v.undefined() || v.is(kind::dict) || (v.is(kind::sequence) && v.sequence().what <= flavor::range);
}
inline bool iterable(runtime&, value const& v, arguments& a) {
  alone(a);
  return v.undefined() || v.is_string() || v.is(kind::sequence) || v.is(kind::dict) || v.is(kind::generator) ||
         (v.is(kind::native) && v.native().type() == std::string_view("LoopContext"));
}
inline bool callable(runtime&, value const& v, arguments& a) {
  return alone(a), v.undefined() || (v.is(kind::native) && v.native().callable());
}
inline bool escaped(runtime&, value const& v, arguments& a) { return alone(a), v.is_string() && v.string().safe; }

inline bool lower(runtime& r, value const& v, arguments& a) {
  value s(to_str(r.budget, v));
  return detail::cased<is_lower, is_upper>(r.budget, s.string(), a).boolean();
}
inline bool upper(runtime& r, value const& v, arguments& a) {
  value s(to_str(r.budget, v));
  return detail::cased<is_upper, is_lower>(r.budget, s.string(), a).boolean();
}

/// Identity; of numbers and strings, which Python interns as it pleases, equality within the type.
inline bool same(runtime& r, value const& v, arguments& a) {
  value const& o = other(a);
  if (v.is_number() || v.is_string()) return v.type() == o.type() && equal(r.budget, v, o);
  return v.same(o) || (v.undefined() && o.undefined() && v.address() == o.address());
}
inline bool in(runtime& r, value const& v, arguments& a) { return contains(r.budget, *bind("in", a, {"seq"}, 1)[0], v); }

inline bool eq(runtime& r, value const& v, arguments& a) { return equal(r.budget, v, other(a)); }
inline bool ne(runtime& r, value const& v, arguments& a) { return !equal(r.budget, v, other(a)); }
inline bool lt(runtime& r, value const& v, arguments& a) { return order(r.budget, v, other(a), "<") == -1; }
inline bool gt(runtime& r, value const& v, arguments& a) { return order(r.budget, v, other(a), ">") == 1; }
inline bool le(runtime& r, value const& v, arguments& a) {
  int o = order(r.budget, v, other(a), "<=");
  return o == -1 || o == 0;
}
inline bool ge(runtime& r, value const& v, arguments& a) {
  int o = order(r.budget, v, other(a), ">=");
  return o == 1 || o == 0;
}
inline bool is_filter(runtime&, value const& v, arguments& a) {
  alone(a);
  need_hashable(v);
  return v.is_string() && find_filter(v.text());
}
inline bool is_test(runtime&, value const& v, arguments& a) {
  alone(a);
  need_hashable(v);
  return v.is_string() && find_test(v.text());
}

}  // namespace tests

inline test find_test(std::string_view name) {
  namespace t = tests;
  static std::unordered_map<std::string_view, test> const table = {
      {"odd", t::parity<1>}, {"even", t::parity<0>}, {"divisibleby", t::divisible}, {"defined", t::defined},
      {"undefined", t::of_kind<kind::undefined>}, {"filter", t::is_filter}, {"test", t::is_test}, {"none", t::of_kind<kind::none>},
      {"boolean", t::of_kind<kind::boolean>}, {"false", t::boolean<false>}, {"true", t::boolean<true>},
      {"integer", t::of_kind<kind::integer>}, {"float", t::of_kind<kind::real>}, {"lower", t::lower}, {"upper", t::upper},
      {"string", t::of_kind<kind::string>}, {"mapping", t::of_kind<kind::dict>}, {"number", t::number}, {"sequence", t::sequence},
      {"iterable", t::iterable}, {"callable", t::callable}, {"sameas", t::same}, {"escaped", t::escaped}, {"in", t::in},
      {"==", t::eq}, {"eq", t::eq}, {"equalto", t::eq}, {"!=", t::ne}, {"ne", t::ne}, {">", t::gt}, {"gt", t::gt},
      {"greaterthan", t::gt}, {"ge", t::ge}, {">=", t::ge}, {"<", t::lt}, {"lt", t::lt}, {"lessthan", t::lt}, {"<=", t::le}, {"le", t::le}};
  auto at = table.find(name);
  return at == table.end() ? nullptr : at->second;
}

}  // namespace verbatim::jinja

#include "verbatim/text/jinja/filters.hpp"
