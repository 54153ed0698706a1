// Values of the template language: Python's None, bool, int (64 bits), float, str, list, tuple, range, dict and its
// views, generators, and objects of the interpreter (macros, namespaces, loops). 16 bytes; compound values are shared
// and immutable, except namespaces. Invariant: lists and dicts nest at most nesting_limit deep, so that destruction
// and every walk have bounded recursion.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/text/jinja/limits.hpp"
#include "verbatim/text/jinja/unicode.hpp"

namespace verbatim::jinja {

enum class kind : std::uint8_t { undefined, none, boolean, integer, real, string, sequence, dict, generator, native };
enum class flavor : std::uint8_t { list, tuple, range, keys, values, items };

struct object {
  std::atomic<std::uint32_t> owners{0};
  int depth = 1;                                   // of nesting, counting this object
  object() = default;
  object(object const&) = delete;
  object& operator=(object const&) = delete;
  virtual ~object() = default;
};

struct string_object;
struct sequence_object;
struct dict_object;
struct generator_object;
struct native_object;

class value {
 public:
  value() noexcept : kind_(kind::undefined) { bits_.o = nullptr; }
  value(bool b) noexcept : kind_(kind::boolean) { bits_.i = b; }
  value(std::int64_t i) noexcept : kind_(kind::integer) { bits_.i = i; }
  value(int i) noexcept : value(std::int64_t(i)) {}
  value(std::size_t i) noexcept : value(std::int64_t(i)) {}
  value(double d) noexcept : kind_(kind::real) { bits_.d = d; }
  inline value(std::string s, bool safe = false);
  value(std::string_view s) : value(std::string(s)) {}
  value(char const* s) : value(std::string(s)) {}
  value(kind k, object* o) noexcept : kind_(k) {
    bits_.o = o;
    keep();
  }
  value(value const& v) noexcept : kind_(v.kind_), bits_(v.bits_) { keep(); }
  value(value&& v) noexcept : kind_(v.kind_), bits_(v.bits_) {
    v.kind_ = kind::undefined;
    v.bits_.o = nullptr;
  }
  value& operator=(value v) noexcept {
    std::swap(kind_, v.kind_);
    std::swap(bits_, v.bits_);
    return *this;
  }
  ~value() { drop(); }

  static value none() {
    value v;
    v.kind_ = kind::none;
    return v;
  }
  /// An undefined value that remembers what was looked for.
  static inline value missing(std::string_view name);

  kind type() const { return kind_; }
  bool is(kind k) const { return kind_ == k; }
  bool undefined() const { return kind_ == kind::undefined; }
  bool is_none() const { return kind_ == kind::none; }
  bool is_string() const { return kind_ == kind::string; }
  bool is_integral() const { return kind_ == kind::integer || kind_ == kind::boolean; }
  bool is_number() const { return is_integral() || kind_ == kind::real; }
  bool boolean() const { return bits_.i != 0; }
  std::int64_t integer() const { return bits_.i; }
  double real() const { return kind_ == kind::real ? bits_.d : double(bits_.i); }
  inline std::string const& text() const;
  inline string_object const& string() const;
  inline sequence_object const& sequence() const;
  inline dict_object const& dict() const;
  inline generator_object& generator() const;
  inline native_object& native() const;
  inline bool is_sequence(flavor f) const;
  object* address() const { return counted() ? bits_.o : nullptr; }
  int depth() const { return counted() ? bits_.o->depth : 0; }
  bool same(value const& v) const { return kind_ == v.kind_ && (counted() ? bits_.o == v.bits_.o : kind_ == kind::none || bits_.i == v.bits_.i); }

 private:
  bool counted() const { return (kind_ >= kind::string || kind_ == kind::undefined) && bits_.o; }
  void keep() const {
    if (counted()) bits_.o->owners.fetch_add(1, std::memory_order_relaxed);
  }
  void drop() const {
    if (counted() && bits_.o->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete bits_.o;
  }
  kind kind_;
  union {
    std::int64_t i;
    double d;
    object* o;
  } bits_;
};

using values = std::vector<value>;
using pairs = std::vector<std::pair<value, value>>;

struct string_object : object {
  std::string s;
  bool ascii, safe;                                // safe: markupsafe.Markup
  std::size_t length;                              // in code points
  string_object(std::string text, bool marked)
      : s(std::move(text)), ascii(is_ascii(s)), safe(marked), length(ascii ? s.size() : count_points(s)) {}
};

inline void nest(object& outer, value const& inner) {
  if (inner.depth() + 1 > outer.depth) outer.depth = inner.depth() + 1;
  if (outer.depth > nesting_limit) exhausted("values are nested too deeply");
}

struct sequence_object : object {
  values items;
  flavor what;
  std::string shown;                               // repr of a range
  sequence_object(values v, flavor f) : items(std::move(v)), what(f) {
    for (auto const& item : items) nest(*this, item);
  }
};

struct dict_object : object {
  pairs items;                                     // in the order of insertion
  mutable std::map<std::string_view, std::size_t> places;  // of string keys, made when a large dict is first asked
  value const* find(std::string_view key) const {
    constexpr std::size_t few = 8;
    if (items.size() <= few) {
      for (auto const& [k, v] : items)
        if (k.is_string() && k.text() == key) return &v;
      return nullptr;
    }
    if (places.empty())
      for (std::size_t i = 0; i < items.size(); ++i)
        if (items[i].first.is_string()) places.emplace(items[i].first.text(), i);
    auto at = places.find(key);
    return at == places.end() ? nullptr : &items[at->second].second;
  }
};

/// Elements made one by one, once.
struct generator_object : object {
  std::function<bool(value&)> next;
};

struct arguments;
class runtime;

/// Objects that belong to the interpreter: functions, macros, namespaces, `loop`.
struct native_object : object {
  virtual char const* type() const = 0;
  virtual bool attribute(runtime&, std::string_view, value&) { return false; }
  virtual bool item(runtime&, std::string_view, value&) { return false; }
  virtual bool callable() const { return false; }
  virtual value call(runtime&, arguments&) { type_error("'" + std::string(type()) + "' object is not callable"); }
  virtual std::string shown() const { return "<" + std::string(type()) + ">"; }
};

inline value::value(std::string s, bool safe) : kind_(kind::string) {
  bits_.o = new string_object(std::move(s), safe);
  keep();
}
inline value value::missing(std::string_view name) { return value(kind::undefined, new string_object(std::string(name), false)); }
inline string_object const& value::string() const { return static_cast<string_object const&>(*bits_.o); }
inline std::string const& value::text() const { return string().s; }
inline sequence_object const& value::sequence() const { return static_cast<sequence_object const&>(*bits_.o); }
inline dict_object const& value::dict() const { return static_cast<dict_object const&>(*bits_.o); }
inline generator_object& value::generator() const { return static_cast<generator_object&>(*bits_.o); }
inline native_object& value::native() const { return static_cast<native_object&>(*bits_.o); }
inline bool value::is_sequence(flavor f) const { return kind_ == kind::sequence && sequence().what == f; }

inline value make_sequence(values v, flavor f = flavor::list) {
  value result(kind::sequence, nullptr);
  auto* made = new sequence_object({}, f);
  result = value(kind::sequence, made);
  made->items = std::move(v);
  for (auto const& item : made->items) nest(*made, item);
  return result;
}
inline value make_tuple(values v) { return make_sequence(std::move(v), flavor::tuple); }
inline value pair_of(value a, value b) {
  values v;
  v.reserve(2);
  v.push_back(std::move(a));
  v.push_back(std::move(b));
  return make_tuple(std::move(v));
}

/// A dict of keys known to be distinct.
inline value make_dict(pairs items) {
  auto* made = new dict_object;
  value result(kind::dict, made);
  made->items = std::move(items);
  for (auto const& [k, v] : made->items) nest(*made, k), nest(*made, v);
  return result;
}

/// `depends`: what the generator draws from.
inline value make_generator(std::function<bool(value&)> next, value const& depends) {
  auto* made = new generator_object;
  value result(kind::generator, made);
  made->next = std::move(next);
  nest(*made, depends);
  return result;
}

/// Python's name of a value's type.
inline std::string type_name(value const& v) {
  switch (v.type()) {
    case kind::undefined: return "Undefined";
    case kind::none: return "NoneType";
    case kind::boolean: return "bool";
    case kind::integer: return "int";
    case kind::real: return "float";
    case kind::string: return v.string().safe ? "Markup" : "str";
    case kind::sequence: {
      constexpr char const* names[] = {"list", "tuple", "range", "dict_keys", "dict_values", "dict_items"};
      return names[int(v.sequence().what)];
    }
    case kind::dict: return "dict";
    case kind::generator: return "generator";
    default: return v.native().type();
  }
}

[[noreturn]] inline void undefined_error(value const& v) {
  fail("UndefinedError", v.address() ? "'" + static_cast<string_object*>(v.address())->s + "' is undefined" : "a value is undefined");
}

inline bool truthy(value const& v) {
  switch (v.type()) {
    case kind::undefined:
    case kind::none: return false;
    case kind::boolean:
    case kind::integer: return v.integer() != 0;
    case kind::real: return v.real() != 0;
    case kind::string: return !v.text().empty();
    case kind::sequence: return !v.sequence().items.empty();
    case kind::dict: return !v.dict().items.empty();
    default: return true;
  }
}

}  // namespace verbatim::jinja
