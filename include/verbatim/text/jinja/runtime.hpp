// What a rendering carries besides its output: the budget, the clock, and the objects whose contents must be dropped
// at its end. Also attribute and item access with the sandbox's rules: names that begin with an underscore and methods
// that change a list or dict are not there.
#pragma once
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/jinja/arguments.hpp"
#include "verbatim/text/jinja/operators.hpp"

namespace verbatim::jinja {

struct namespace_object;

class runtime {
 public:
  runtime(limits l, std::tm now_) : budget(l), now(now_) {}
  inline ~runtime();
  runtime(runtime const&) = delete;
  runtime& operator=(runtime const&) = delete;

  meter budget;
  std::tm now;
  std::vector<value> namespaces;                   // they can hold themselves: emptied at the end
};

struct namespace_object : native_object {
  pairs items;
  char const* type() const override { return "Namespace"; }
  std::string shown() const override { return "<Namespace>"; }
  bool attribute(runtime&, std::string_view name, value& out) override {
    for (auto const& [k, v] : items)
      if (k.text() == name) return out = v, true;
    return false;
  }
  bool item(runtime&, std::string_view, value&) override { return false; }
  void assign(runtime& r, std::string const& name, value v) {
    if (!name.empty() && name[0] == '_') fail("SecurityError", "a namespace takes no name that begins with an underscore");
    if (v.depth() >= nesting_limit) exhausted("values are nested too deeply");
    r.budget.step(1 + items.size() / 8);
    for (auto& [k, old] : items)
      if (k.text() == name) {
        old = std::move(v);
        return;
      }
    items.emplace_back(value(name), std::move(v));
  }
};

inline runtime::~runtime() {
  for (auto const& n : namespaces) static_cast<namespace_object&>(n.native()).items.clear();
}

/// A method that was looked up but not called at once.
struct bound_method : native_object {
  value self;
  std::string name;
  char const* type() const override { return "builtin_function_or_method"; }
  bool callable() const override { return true; }
  inline value call(runtime& r, arguments& a) override;
};

enum class member { absent, method, forbidden };
inline member member_of(value const& v, std::string_view name);
inline value call_method(runtime& r, value const& self, std::string_view name, arguments& a);

inline value bound_method::call(runtime& r, arguments& a) { return call_method(r, self, name, a); }

namespace detail {

/// Python's getattr: true when the attribute is there; forbidden ones come out undefined.
inline bool plain_attribute(runtime& r, value const& v, std::string_view name, value& out) {
  if (v.is(kind::native)) {
    if (!name.empty() && name[0] == '_') return false;
    return v.native().attribute(r, name, out);
  }
  if (v.is_number() && (name == "real" || name == "numerator")) return out = v.is(kind::boolean) ? value(v.integer()) : v, v.is_integral() || name == "real";
  if (v.is_number() && (name == "imag" || (name == "denominator" && v.is_integral())))
    return out = v.is_integral() ? value(int(name == "denominator")) : value(0.0), true;
  if (v.is(kind::sequence) && v.sequence().shown == "group" && (name == "grouper" || name == "list"))
    return out = v.sequence().items[name == "list"], true;
  switch (member_of(v, name)) {
    case member::absent: return false;
    case member::forbidden: out = value::missing(name); return true;
    default: break;
  }
  auto* m = new bound_method;
  value held(kind::native, m);
  m->self = v;
  m->name = std::string(name);
  nest(*m, v);
  out = held;
  return true;
}

}  // namespace detail

/// v.name: the attribute, else the item, else undefined.
inline value get_attribute(runtime& r, value const& v, std::string_view name) {
  if (v.undefined()) undefined_error(v);
  value out;
  if (detail::plain_attribute(r, v, name, out)) return out;
  if (v.is(kind::dict)) {
    if (value const* found = v.dict().find(name)) return *found;
  }
  return value::missing(name);
}

/// v[key]: the item, else the attribute, else undefined.
inline value get_item(runtime& r, value const& v, value const& key) {
  if (v.undefined()) undefined_error(v);
  value out;
  if (subscript(r.budget, v, key, out)) return out;
  if (key.is_string()) {
    if (detail::plain_attribute(r, v, key.text(), out)) return out;
    return value::missing(key.text());
  }
  return value::missing("item");
}

inline value call_value(runtime& r, value const& f, arguments& a) {
  if (f.undefined()) undefined_error(f);
  if (!f.is(kind::native)) type_error("'" + type_name(f) + "' object is not callable");
  return f.native().call(r, a);
}

}  // namespace verbatim::jinja

#include "verbatim/text/jinja/members.hpp"
