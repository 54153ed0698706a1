// Equality, order, hashing rules, membership and iteration as Python defines them. Walks are charged per element, so
// that shared substructure (a list holding the same list twice, forty levels deep) cannot take exponential time unseen.
#pragma once
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "verbatim/text/jinja/value.hpp"

namespace verbatim::jinja {

inline bool equal(meter& m, value const& a, value const& b);

namespace detail {

inline bool equal_items(meter& m, values const& a, values const& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!equal(m, a[i], b[i])) return false;
  return true;
}

/// Whether Python's hash() takes the value.
inline bool hashable(value const& v) {
  if (v.is(kind::dict)) return false;
  if (!v.is(kind::sequence)) return true;
  if (v.sequence().what == flavor::range) return true;
  if (v.sequence().what != flavor::tuple) return false;
  for (auto const& item : v.sequence().items)
    if (!hashable(item)) return false;
  return true;
}

}  // namespace detail

inline void need_hashable(value const& v) {
  if (!detail::hashable(v)) type_error("unhashable type: '" + type_name(v) + "'");
}

/// The value under a key, or null.
inline value const* find(meter& m, dict_object const& d, value const& key) {
  if (key.is_string()) return d.find(key.text());
  need_hashable(key);
  for (auto const& [k, v] : d.items)
    if (!k.is_string() && equal(m, k, key)) return &v;
  return nullptr;
}

inline bool equal_dicts(meter& m, dict_object const& a, dict_object const& b) {
  if (a.items.size() != b.items.size()) return false;
  for (auto const& [k, v] : a.items) {
    value const* other = find(m, b, k);
    if (!other || !equal(m, v, *other)) return false;
  }
  return true;
}

inline bool equal(meter& m, value const& a, value const& b) {
  m.step();
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
    auto wide = [](value const& v) { return v.is_integral() ? (long double)(v.integer()) : (long double)(v.real()); };
    return wide(a) == wide(b);
  }
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case kind::undefined:
    case kind::none: return true;
    case kind::string:
      if (a.text().size() == b.text().size()) m.step(a.text().size() / 64);
      return a.text() == b.text();
    case kind::sequence: {
      auto const &x = a.sequence(), &y = b.sequence();
      return a.same(b) || (x.what == y.what && x.what != flavor::values && detail::equal_items(m, x.items, y.items));
    }
    case kind::dict: return a.same(b) || equal_dicts(m, a.dict(), b.dict());
    default: return a.same(b);
  }
}

/// Three-way order of a and b; throws TypeError where Python's `<` does. `op` is for the message.
inline int order(meter& m, value const& a, value const& b, std::string_view op = "<") {
  m.step();
  if (a.undefined()) undefined_error(a);
  if (b.undefined()) undefined_error(b);
  auto sign = [](auto const& x, auto const& y) { return x < y ? -1 : x == y ? 0 : y < x ? 1 : 2; };
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return sign(a.integer(), b.integer());
    auto wide = [](value const& v) { return v.is_integral() ? (long double)(v.integer()) : (long double)(v.real()); };
    return sign(wide(a), wide(b));
  }
  if (a.is_string() && b.is_string()) {
    m.step(std::min(a.text().size(), b.text().size()) / 64);
    return sign(a.text(), b.text());
  }
  if (a.is(kind::sequence) && b.is(kind::sequence) && a.sequence().what == b.sequence().what && a.sequence().what <= flavor::tuple) {
    auto const &x = a.sequence().items, &y = b.sequence().items;
    for (std::size_t i = 0; i < x.size() && i < y.size(); ++i)
      if (!equal(m, x[i], y[i])) return order(m, x[i], y[i], op);
    return sign(x.size(), y.size());
  }
  type_error("'" + std::string(op) + "' not supported between instances of '" + type_name(a) + "' and '" + type_name(b) + "'");
}
inline bool less(meter& m, value const& a, value const& b) { return order(m, a, b) == -1; }

/// Draws the elements of anything iterable; throws TypeError for the rest.
class cursor {
 public:
  cursor(meter& m, value v) : meter_(m), from_(std::move(v)) {
    switch (from_.type()) {
      case kind::undefined:
      case kind::string:
      case kind::sequence:
      case kind::dict:
      case kind::generator: return;
      default: type_error("'" + type_name(from_) + "' object is not iterable");
    }
  }
  bool next(value& out) {
    meter_.step();
    switch (from_.type()) {
      case kind::string: {
        auto const& s = from_.text();
        if (at_ >= s.size()) return false;
        std::size_t n = width_at(s, at_);
        out = value(s.substr(at_, n));
        at_ += n;
        return true;
      }
      case kind::sequence:
        if (at_ >= from_.sequence().items.size()) return false;
        out = from_.sequence().items[at_++];
        return true;
      case kind::dict:
        if (at_ >= from_.dict().items.size()) return false;
        out = from_.dict().items[at_++].first;
        return true;
      case kind::generator: return from_.generator().next(out);
      default: return false;
    }
  }

 private:
  meter& meter_;
  value from_;
  std::size_t at_ = 0;
};

inline values collect(meter& m, value const& v) {
  values out;
  cursor c(m, v);
  for (value item; c.next(item);) out.push_back(std::move(item));
  return out;
}

inline bool contains(meter& m, value const& container, value const& item) {
  if (container.is_string()) {
    if (!item.is_string()) type_error("'in <string>' requires string as left operand, not " + type_name(item));
    std::string const &s = container.text(), &needle = item.text();
    m.step(s.size() / 16 + 1);
    return ::memmem(s.data(), s.size(), needle.data(), needle.size()) != nullptr;   // linear, as std::string::find is not
  }
  if (container.is(kind::dict)) return find(m, container.dict(), item) != nullptr;
  if (container.is(kind::native) || container.is_number() || container.is_none())
    type_error("argument of type '" + type_name(container) + "' is not iterable");
  cursor c(m, container);
  for (value each; c.next(each);)
    if (each.same(item) || equal(m, each, item)) return true;
  return false;
}

/// Puts a pair into a list of pairs that becomes a dict: of equal keys the last value wins, at the place of the first.
class dict_maker {
 public:
  explicit dict_maker(meter& m) : meter_(m) {}
  void put(value key, value v) {
    meter_.step();
    need_hashable(key);
    if (key.is_string()) {
      auto [at, fresh] = strings_.try_emplace(key.text(), items_.size());
      if (!fresh) {
        items_[at->second].second = std::move(v);
        return;
      }
    } else {
      for (auto& [k, old] : items_)
        if (!k.is_string() && equal(meter_, k, key)) {
          old = std::move(v);
          return;
        }
    }
    items_.emplace_back(std::move(key), std::move(v));
  }
  value make() { return make_dict(std::move(items_)); }

 private:
  meter& meter_;
  pairs items_;
  std::map<std::string, std::size_t> strings_;
};

}  // namespace verbatim::jinja
