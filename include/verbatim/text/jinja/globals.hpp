// Functions that every template sees: range, dict, namespace, cycler, joiner, and of transformers raise_exception and
// strftime_now. (jinja2's lipsum is left out.)
#pragma once
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include "verbatim/text/jinja/runtime.hpp"

namespace verbatim::jinja {

namespace globals {

/// A plain function.
struct function : native_object {
  value (*body)(runtime&, arguments&);
  explicit function(value (*f)(runtime&, arguments&)) : body(f) {}
  char const* type() const override { return "function"; }
  bool callable() const override { return true; }
  value call(runtime& r, arguments& a) override { return body(r, a); }
};

inline value range(runtime& r, arguments& a) {
  if (!a.named.empty()) type_error("range() takes no keyword arguments");
  auto b = bind("range", a, {"start", "stop", "step"}, 1);
  std::int64_t start = b[1] ? to_index(*b[0]) : 0, stop = to_index(b[1] ? *b[1] : *b[0]), by = integer_or(b[2], 1);
  if (by == 0) value_error("range() arg 3 must not be zero");
  using wide = __int128;
  wide distance = by > 0 ? wide(stop) - start : wide(start) - stop, pace = by > 0 ? wide(by) : -wide(by);
  wide count = distance <= 0 ? 0 : (distance + pace - 1) / pace;
  if (count > wide(range_limit)) fail("OverflowError", "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
  r.budget.step(std::size_t(count));
  values items;
  items.reserve(std::size_t(count));
  for (std::int64_t i = 0; i < std::int64_t(count); ++i) items.push_back(start + i * by);
  value out = make_sequence(std::move(items), flavor::range);
  static_cast<sequence_object*>(out.address())->shown =
      "range(" + std::to_string(start) + ", " + std::to_string(stop) + (by == 1 ? "" : ", " + std::to_string(by)) + ")";
  return out;
}

/// dict(mapping or pairs, **named)
inline value dict(runtime& r, arguments& a) {
  dict_maker maker(r.budget);
  if (a.positional.size() > 1) type_error("dict expected at most 1 argument");
  if (!a.positional.empty()) {
    value const& from = a.positional[0];
    if (from.is(kind::dict)) {
      for (auto const& [k, v] : from.dict().items) maker.put(k, v);
    } else {
      cursor c(r.budget, from);
      for (value item; c.next(item);) {
        values both = collect(r.budget, item);
        if (both.size() != 2) value_error("dictionary update sequence element has a length other than 2");
        maker.put(std::move(both[0]), std::move(both[1]));
      }
    }
  }
  for (auto& [name, v] : a.named) maker.put(value(name), std::move(v));
  return maker.make();
}

inline value make_namespace(runtime& r, arguments& a) {
  value items = dict(r, a);
  auto* made = new namespace_object;
  value out(kind::native, made);
  r.namespaces.push_back(out);
  for (auto const& [k, v] : items.dict().items) {
    if (!k.is_string()) type_error("names in a namespace must be strings");
    if (!k.text().empty() && k.text()[0] == '_') fail("SecurityError", "a namespace takes no name that begins with an underscore");
  }
  made->items = items.dict().items;
  return out;
}

struct cycler_object : native_object {
  values items;
  std::size_t at = 0;
  char const* type() const override { return "Cycler"; }
  bool attribute(runtime&, std::string_view name, value& out) override;
};
struct cycler_method : native_object {
  value self;
  bool reset = false;
  char const* type() const override { return "method"; }
  bool callable() const override { return true; }
  value call(runtime&, arguments& a) override {
    bind("next", a, {});
    auto& c = static_cast<cycler_object&>(self.native());
    if (reset) return c.at = 0, value::none();
    value v = c.items[c.at];
    c.at = (c.at + 1) % c.items.size();
    return v;
  }
};
inline bool cycler_object::attribute(runtime&, std::string_view name, value& out) {
  if (name == "current") return out = items[at], true;
  if (name == "items") return out = make_tuple(items), true;
  if (name == "pos") return out = at, true;
  if (name != "next" && name != "reset") return false;
  auto* m = new cycler_method;
  out = value(kind::native, m);
  m->self = value(kind::native, this);
  m->reset = name == "reset";
  m->depth = depth + 1;
  return true;
}
inline value cycler(runtime&, arguments& a) {
  if (!a.named.empty()) type_error("cycler() takes no keyword arguments");
  if (a.positional.empty()) fail("RuntimeError", "at least one item has to be provided");
  auto* made = new cycler_object;
  value out(kind::native, made);
  for (auto const& v : a.positional) nest(*made, v);
  made->items = std::move(a.positional);
  return out;
}

struct joiner_object : native_object {
  value separator;
  bool used = false;
  char const* type() const override { return "Joiner"; }
  bool callable() const override { return true; }
  value call(runtime&, arguments& a) override {
    bind("joiner", a, {});
    return std::exchange(used, true) ? separator : value("");
  }
};
inline value joiner(runtime&, arguments& a) {
  auto b = bind("joiner", a, {"sep"});
  auto* made = new joiner_object;
  value out(kind::native, made);
  made->separator = b[0] ? *b[0] : value(", ");
  nest(*made, made->separator);
  return out;
}

inline value raise_exception(runtime& r, arguments& a) {
  auto b = bind("raise_exception", a, {"message"}, 1);
  throw failure{5, to_str(r.budget, *b[0])};
}

inline value strftime_now(runtime& r, arguments& a) {
  auto b = bind("strftime_now", a, {"format"}, 1);
  std::string const shape = to_text(*b[0]);
  r.budget.text(shape.size());
  std::string out;
  char buffer[256];
  std::tm now = r.now;
  for (std::size_t at = 0; at < shape.size();) {     // one directive at a time, so that no result is cut off
    if (shape[at] != '%' || at + 1 >= shape.size()) {
      out += shape[at++];
      continue;
    }
    std::size_t end = at + 1;
    while (end < shape.size() && std::string_view("-_0^#EO").find(shape[end]) != std::string_view::npos) ++end;
    std::string directive = shape.substr(at, end + 1 - at);
    at = end + 1;
    if (directive == "%f") out += "000000";
    else if (directive.back() != 'z' && directive.back() != 'Z')   // the time carries no zone, as datetime.now()
      out.append(buffer, std::strftime(buffer, sizeof buffer, directive.c_str(), &now));
  }
  return value(std::move(out));
}

}  // namespace globals

/// The global of that name, undefined where there is none.
inline value find_global(std::string_view name) {
  using namespace globals;
  constexpr std::pair<std::string_view, value (*)(runtime&, arguments&)> table[] = {
      {"range", range}, {"dict", globals::dict}, {"namespace", make_namespace}, {"cycler", cycler}, {"joiner", joiner},
      {"raise_exception", raise_exception}, {"strftime_now", strftime_now}};
  for (auto const& [known, f] : table)
    if (known == name) return value(kind::native, new function(f));
  return {};
}

}  // namespace verbatim::jinja
