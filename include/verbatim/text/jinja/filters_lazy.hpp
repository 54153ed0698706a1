// Filters that give generators: map, select, reject, selectattr, rejectattr, unique, items, batch, slice, reverse.
// As in jinja2 nothing of them runs, and nothing of them fails, before the first element is drawn.
#pragma once
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "verbatim/text/jinja/ast.hpp"
#include "verbatim/text/jinja/filters_sequence.hpp"

namespace verbatim::jinja::filters {

/// A generator whose elements are all made when the first is drawn.
inline value lazily(std::function<values()> make, value const& depends) {
  struct state {
    std::function<values()> make;
    values items{};
    std::size_t at = 0;
  };
  auto s = std::make_shared<state>(state{std::move(make), {}});
  return make_generator([s](value& out) {
    if (s->make) {
      auto make = std::exchange(s->make, nullptr);
      s->items = make();
    }
    if (s->at >= s->items.size()) return false;
    out = std::move(s->items[s->at++]);
    return true;
  }, depends);
}

/// A generator that prepares itself at the first draw, and then turns each element of `source` into one or none.
inline value filtered(runtime& r, value const& source, std::function<std::function<bool(value&)>()> prepare) {
  struct state {
    std::function<std::function<bool(value&)>()> prepare;
    std::function<bool(value&)> keep{};
    std::optional<cursor> from{};
    bool done = false;
  };
  auto s = std::make_shared<state>(state{std::move(prepare), {}, {}});
  return make_generator([s, &r, source](value& out) {
    if (s->done) return false;
    if (!s->from) {
      s->done = !truthy(source);
      if (s->done) return false;
      s->keep = s->prepare();
      s->from.emplace(r.budget, source);
    }
    meter::level held(r.budget);
    for (value v; s->from->next(v);)
      if (s->keep(v)) return out = std::move(v), true;
    s->done = true;
    return false;
  }, source);
}

/// How deep the arguments that a generator keeps may be; the generator itself adds a level.
inline value anchor(value const& v, arguments const& a) {
  value deepest = v;
  for (auto const& x : a.positional)
    if (x.depth() > deepest.depth()) deepest = x;
  for (auto const& [name, x] : a.named)
    if (x.depth() > deepest.depth()) deepest = x;
  return deepest;
}

inline value with_depth(value generator, value const& deepest) {
  nest(*generator.address(), deepest);
  return generator;
}

inline value map(runtime& r, value const& v, arguments& a) {
  auto prepare = [&r, a = a]() mutable -> std::function<bool(value&)> {
    if (a.positional.empty() && a.find("attribute")) {
      for (auto const& [name, x] : a.named)
        if (name != "attribute" && name != "default") fail("FilterArgumentError", "Unexpected keyword argument '" + name + "'");
      getter get(r, a.find("attribute"), false, a.find("default"));
      return [get](value& x) { return x = get(std::move(x)), true; };
    }
    if (a.positional.empty()) fail("FilterArgumentError", "map requires a filter argument");
    filter f = a.positional[0].is_string() ? find_filter(a.positional[0].text()) : nullptr;
    if (!f) fail("TemplateRuntimeError", "No filter named " + to_repr(r.budget, a.positional[0]));
    a.positional.erase(a.positional.begin());
    return [&r, f, a](value& x) {
      arguments own = a;
      return x = f(r, x, own), true;
    };
  };
  return with_depth(filtered(r, v, prepare), anchor(v, a));
}

template <bool Attribute, bool Wanted>
value choose(runtime& r, value const& v, arguments& a) {
  auto prepare = [&r, a = a]() mutable -> std::function<bool(value&)> {
    if (Attribute && a.positional.empty()) fail("FilterArgumentError", "Missing parameter for attribute name");
    getter get(r, Attribute ? &a.positional[0] : nullptr);
    if (Attribute) a.positional.erase(a.positional.begin());
    if (a.positional.empty()) return [get](value& x) { return truthy(get(x)) == Wanted; };
    test t = a.positional[0].is_string() ? find_test(a.positional[0].text()) : nullptr;
    if (!t) fail("TemplateRuntimeError", "No test named " + to_repr(r.budget, a.positional[0]));
    a.positional.erase(a.positional.begin());
    return [&r, get, t, a](value& x) {
      arguments own = a;
      return t(r, get(x), own) == Wanted;
    };
  };
  return with_depth(filtered(r, v, prepare), anchor(v, a));
}

inline value unique(runtime& r, value const& v, arguments& a) {
  auto b = bind("unique", a, {"case_sensitive", "attribute"});
  getter get(r, b[1], !flag_or(b[0], false));
  return lazily([&r, v, get] {
    std::set<std::string> strings;
    values others, out;
    cursor c(r.budget, v);
    for (value item; c.next(item);) {
      value key = get(item);
      need_hashable(key);
      bool fresh = true;
      if (key.is_string()) {
        fresh = strings.insert(key.text()).second;
      } else {
        for (auto const& other : others) fresh = fresh && !equal(r.budget, other, key);
        if (fresh) others.push_back(key);
      }
      if (fresh) out.push_back(std::move(item));
    }
    return out;
  }, v);
}

inline value items(runtime& r, value const& v, arguments& a) {
  bind("items", a, {});
  return lazily([&r, v] {
    values out;
    if (v.undefined()) return out;
    if (!v.is(kind::dict)) type_error("Can only get item pairs from a mapping.");
    r.budget.step(v.dict().items.size());
    for (auto const& [k, x] : v.dict().items) out.push_back(pair_of(k, x));
    return out;
  }, v);
}

inline value batch(runtime& r, value const& v, arguments& a) {
  auto b = bind("batch", a, {"linecount", "fill_with"}, 1);
  value count = *b[0], fill = b[1] ? *b[1] : value::none();
  return with_depth(lazily([&r, v, count, fill] {
    values out, row;
    auto full = [&](std::size_t n) { return count.is_number() && double(n) == count.real(); };
    cursor c(r.budget, v);
    for (value item; c.next(item);) {
      if (full(row.size())) out.push_back(make_sequence(std::exchange(row, {})));
      row.push_back(std::move(item));
    }
    if (row.empty()) return out;
    if (!fill.is_none() && !fill.undefined())
      for (std::int64_t n = to_index(count); std::int64_t(row.size()) < n; r.budget.step()) row.push_back(fill);
    out.push_back(make_sequence(std::move(row)));
    return out;
  }, v), anchor(v, a));
}

inline value slices(runtime& r, value const& v, arguments& a) {
  auto b = bind("slice", a, {"slices", "fill_with"}, 1);
  value count = *b[0], fill = b[1] ? *b[1] : value::none();
  return with_depth(lazily([&r, v, count, fill] {
    values all = collect(r.budget, v), out;
    std::int64_t n = to_index(count);
    if (n == 0) fail("ZeroDivisionError", "integer division or modulo by zero");
    std::int64_t size = std::int64_t(all.size()), each = detail::floor_divide(size, n), extra = detail::modulo(size, n), at = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t end = at + each + (i < extra);
      values part(all.begin() + at, all.begin() + end);
      if (!fill.is_none() && i >= extra) part.push_back(fill);
      out.push_back(make_sequence(std::move(part)));
      r.budget.step();
      at = end;
    }
    return out;
  }, v), anchor(v, a));
}

inline value reverse(runtime& r, value const& v, arguments& a) {
  bind("reverse", a, {});
  if (v.is_string()) {
    r.budget.text(v.text().size());
    std::string out;
    for (std::size_t end = v.text().size(); end > 0;) {
      std::size_t at = before(v.text(), end);
      out += v.text().substr(at, end - at);
      end = at;
    }
    return value(std::move(out), v.string().safe);
  }
  bool eager = v.is(kind::generator);
  values all = collect(r.budget, v);
  std::reverse(all.begin(), all.end());
  if (eager) return make_sequence(std::move(all));
  value kept = make_sequence(std::move(all));
  return lazily([kept] { return kept.sequence().items; }, kept);
}

}  // namespace verbatim::jinja::filters

#include "verbatim/text/jinja/filters.hpp"
