// Methods of str, list, tuple, dict, int and float by name, and str.format, which reaches into its arguments.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>

#include "verbatim/text/jinja/runtime.hpp"
#include "verbatim/text/jinja/text_method_table.hpp"

namespace verbatim::jinja {

namespace detail {

template <std::size_t N>
bool one_of(std::string_view name, std::string_view const (&set)[N]) {
  return std::find(std::begin(set), std::end(set), name) != std::end(set);
}
inline constexpr std::string_view text_only[] = {"format", "format_map"}, text_forbidden[] = {"encode", "translate", "maketrans"};
inline constexpr std::string_view dict_methods[] = {"items", "keys", "values", "get", "copy"};
inline constexpr std::string_view dict_forbidden[] = {"clear", "pop", "popitem", "setdefault", "update", "fromkeys"};
inline constexpr std::string_view list_methods[] = {"index", "count", "copy"};
inline constexpr std::string_view list_forbidden[] = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
inline constexpr std::string_view integer_methods[] = {"bit_length", "conjugate", "is_integer"};
inline constexpr std::string_view real_methods[] = {"is_integer", "conjugate"};

inline member of_set(bool method, bool forbidden) { return method ? member::method : forbidden ? member::forbidden : member::absent; }

}  // namespace detail

inline member member_of(value const& v, std::string_view name) {
  using namespace detail;
  if (name.empty() || name[0] == '_') return member::absent;
  switch (v.type()) {
    case kind::string: return of_set(find_text_method(name) || one_of(name, text_only), one_of(name, text_forbidden));
    case kind::dict: return of_set(one_of(name, dict_methods), one_of(name, dict_forbidden));
    case kind::sequence:
      if (v.sequence().what == flavor::list) return of_set(one_of(name, list_methods), one_of(name, list_forbidden));
      return of_set(v.sequence().what < flavor::keys && (name == "index" || name == "count"), false);
    case kind::boolean:
    case kind::integer: return of_set(name == "bit_length" || name == "conjugate", false);
    case kind::real: return of_set(one_of(name, real_methods), false);
    default: return member::absent;
  }
}

namespace detail {

inline value dict_method(runtime& r, value const& self, std::string_view name, arguments& a) {
  auto const& d = self.dict();
  if (!a.named.empty()) type_error("dict." + std::string(name) + "() takes no keyword arguments");
  if (name == "get") {
    auto b = bind("get", a, {"key", "default"}, 1);
    value const* found = find(r.budget, d, *b[0]);
    return found ? *found : b[1] ? *b[1] : value::none();
  }
  bind(name, a, {});
  r.budget.step(d.items.size());
  if (name == "copy") return self;
  values out;
  out.reserve(d.items.size());
  for (auto const& [k, v] : d.items) out.push_back(name == "keys" ? k : name == "values" ? v : pair_of(k, v));
  return make_sequence(std::move(out), name == "keys" ? flavor::keys : name == "values" ? flavor::values : flavor::items);
}

inline value list_method(runtime& r, value const& self, std::string_view name, arguments& a) {
  if (!a.named.empty()) type_error("list." + std::string(name) + "() takes no keyword arguments");
  auto const& items = self.sequence().items;
  if (name == "copy") return bind(name, a, {}), self;
  if (name == "count") {
    value const& wanted = *bind("count", a, {"value"}, 1)[0];
    std::int64_t n = 0;
    for (auto const& v : items) n += v.same(wanted) || equal(r.budget, v, wanted);
    return n;
  }
  auto b = bind("index", a, {"value", "start", "stop"}, 1);
  std::int64_t n = std::int64_t(items.size());
  auto place = [&](value const* v, std::int64_t otherwise) {
    std::int64_t i = integer_or(v, otherwise);
    return i < 0 ? (i < -n ? 0 : i + n) : std::min(i, n);
  };
  for (std::int64_t i = place(b[1], 0); i < place(b[2], n); ++i)
    if (items[std::size_t(i)].same(*b[0]) || equal(r.budget, items[std::size_t(i)], *b[0])) return i;
  value_error("the value is not in the list");
}

inline value number_method(value const& self, std::string_view name, arguments& a) {
  bind(name, a, {});
  if (name == "conjugate") return self.is(kind::boolean) ? value(self.integer()) : self;
  if (name == "is_integer") return std::isfinite(self.real()) && self.real() == std::floor(self.real());
  std::uint64_t n = self.integer() < 0 ? 0 - std::uint64_t(self.integer()) : std::uint64_t(self.integer());
  std::int64_t bits = 0;
  for (; n; n >>= 1) ++bits;
  return bits;
}

/// str.format: `{}`, `{0}`, `{name.attribute[item]!r:spec}`, and fields in the spec, one level deep.
class text_formatter {
 public:
  text_formatter(runtime& r, bool safe, arguments const& a) : r_(r), safe_(safe), a_(a) {}
  std::string run(std::string_view s, int level = 0) {
    if (level > 1) value_error("Max string recursion exceeded");
    std::string out;
    for (std::size_t at = 0; at < s.size();) {
      std::size_t next = std::min(s.find_first_of("{}", at), s.size());
      out += s.substr(at, next - at);
      r_.budget.text(out.size() > r_.budget.text_limit() ? out.size() : next - at);
      if (next == s.size()) break;
      at = next + 1;
      if (at < s.size() && s[at] == s[next]) {
        out += s[at++];
      } else if (s[next] == '}') {
        value_error("Single '}' encountered in format string");
      } else {
        std::size_t end = field_end(s, at);
        out += field(s.substr(at, end - at), level);
        at = end + 1;
      }
    }
    return out;
  }

 private:
  static std::size_t field_end(std::string_view s, std::size_t at) {
    int open = 1;
    for (; at < s.size(); ++at) {
      open += s[at] == '{' ? 1 : s[at] == '}' ? -1 : 0;
      if (open == 0) return at;
    }
    value_error("expected '}' before end of string");
  }
  std::string field(std::string_view f, int level) {
    std::size_t end = 0;
    for (bool inside = false; end < f.size() && (inside || (f[end] != '!' && f[end] != ':')); ++end)
      inside = f[end] == '[' || (inside && f[end] != ']');
    value v = lookup(f.substr(0, end));
    if (end < f.size() && f[end] == '!') {
      char c = end + 1 < f.size() ? f[end + 1] : 0;
      if (c != 's' && c != 'r' && c != 'a') value_error("Unknown conversion specifier");
      v = value(c == 's' ? to_str(r_.budget, v) : to_repr(r_.budget, v));
      end += 2;
      if (end < f.size() && f[end] != ':') value_error("expected ':' after conversion specifier");
    }
    std::string spec = end < f.size() ? run(f.substr(end + 1), level + 1) : "";
    if (safe_ && !(v.is_string() && v.string().safe)) return escape_html(format_value(r_.budget, v, spec));
    return format_value(r_.budget, v, spec);
  }
  value first(std::string_view name) {
    bool digits = !name.empty() && name.find_first_not_of("0123456789") == name.npos;
    if (name.empty() || digits) {
      if (name.empty() ? counting_ == 2 : counting_ == 1) value_error("cannot switch between manual and automatic field numbering");
      counting_ = name.empty() ? 1 : 2;
      std::size_t i = 0, at = 0;
      i = name.empty() ? next_++ : read_count(name, at, "index");
      if (i >= a_.positional.size()) fail("IndexError", "Replacement index out of range for positional args tuple");
      return a_.positional[i];
    }
    if (value const* v = a_.find(name)) return *v;
    fail("KeyError", name);
  }
  value lookup(std::string_view path) {
    std::size_t end = std::min(path.find_first_of(".["), path.size());
    value v = first(path.substr(0, end));
    while (end < path.size()) {
      std::size_t from = end + 1;
      bool item = path[end] == '[';
      end = item ? path.find(']', from) : std::min(path.find_first_of(".[", from), path.size());
      if (end == path.npos) value_error("Missing ']' in format string");
      std::string_view name = path.substr(from, end - from);
      if (name.empty()) value_error("Empty attribute in format string");
      end += item;
      std::size_t at = 0;
      bool digits = item && name.find_first_not_of("0123456789") == name.npos;
      v = item ? get_item(r_, v, digits ? value(std::int64_t(read_count(name, at, "index"))) : value(std::string(name)))
               : get_attribute(r_, v, name);
    }
    return v;
  }

  runtime& r_;
  bool safe_;
  arguments const& a_;
  std::size_t next_ = 0;
  int counting_ = 0;                               // 1: automatic, 2: manual
};

inline value format_method(runtime& r, string_object const& s, std::string_view name, arguments& a) {
  if (name == "format") return value(text_formatter(r, s.safe, a).run(s.s), s.safe);
  value const& map = *bind("format_map", a, {"mapping"}, 1)[0];
  if (!map.is(kind::dict)) type_error("format_map() takes a mapping");
  arguments named;
  for (auto const& [k, v] : map.dict().items)
    if (k.is_string()) named.named.emplace_back(k.text(), v);
  return value(text_formatter(r, s.safe, named).run(s.s), s.safe);
}

}  // namespace detail

/// Calls a method that member_of found.
inline value call_method(runtime& r, value const& self, std::string_view name, arguments& a) {
  r.budget.step();
  switch (self.type()) {
    case kind::string:
      if (auto f = find_text_method(name)) return f(r.budget, self.string(), a);
      return detail::format_method(r, self.string(), name, a);
    case kind::dict: return detail::dict_method(r, self, name, a);
    case kind::sequence: return detail::list_method(r, self, name, a);
    default: return detail::number_method(self, name, a);
  }
}

}  // namespace verbatim::jinja
