// Filters over sequences and mappings that give a value at once: length, join, sort, groupby, sum, …
#pragma once
#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "verbatim/text/jinja/filters_text.hpp"

namespace verbatim::jinja::filters {

/// The value behind a dotted attribute path; `otherwise` replaces what is undefined on the way.
class getter {
 public:
  getter(runtime& r, value const* attribute, bool fold = false, value const* otherwise = nullptr)
      : r_(r), fold_(fold), default_(otherwise && !otherwise->is_none() ? *otherwise : value()) {
    if (!attribute || attribute->is_none()) return;
    if (!attribute->is_string()) {
      parts_.push_back(*attribute);
      return;
    }
    for (auto part : detail::split_at(r.budget, attribute->text(), ".", -1)) {
      bool digits = !part.empty() && part.size() < 18 && part.find_first_not_of("0123456789") == part.npos;
      parts_.push_back(digits ? value(*read_integer(part)) : value(std::string(part)));
    }
  }
  value operator()(value v) const {
    for (auto const& part : parts_) {
      r_.budget.step();
      v = get_item(r_, v, part);
      if (v.undefined() && !default_.undefined()) v = default_;
    }
    if (!fold_ || !v.is_string()) return v;
    r_.budget.text(v.text().size());
    return value(to_lower(v.text()));
  }

 private:
  runtime& r_;
  bool fold_;
  value default_;
  values parts_;
};

inline value length(runtime&, value const& v, arguments& a) {
  bind("length", a, {});
  switch (v.type()) {
    case kind::undefined: return 0;
    case kind::string: return v.string().length;
    case kind::sequence: return v.sequence().items.size();
    case kind::dict: return v.dict().items.size();
    default: type_error("object of type '" + type_name(v) + "' has no len()");
  }
}

inline value or_default(runtime&, value const& v, arguments& a) {
  auto b = bind("default", a, {"default_value", "boolean"});
  if (v.undefined() || (flag_or(b[1], false) && !truthy(v))) return b[0] ? *b[0] : value("");
  return v;
}

inline value first(runtime& r, value const& v, arguments& a) {
  bind("first", a, {});
  value out;
  return cursor(r.budget, v).next(out) ? out : value::missing("the first item of an empty sequence");
}
inline value last(runtime& r, value const& v, arguments& a) {
  bind("last", a, {});
  if (v.is(kind::generator)) type_error("'generator' object is not reversible");
  if (v.is_string() && !v.text().empty()) return value(v.text().substr(before(v.text(), v.text().size())));
  if (v.is(kind::sequence) && !v.sequence().items.empty()) return v.sequence().items.back();
  values items = collect(r.budget, v);
  return items.empty() ? value::missing("the last item of an empty sequence") : items.back();
}

inline value join(runtime& r, value const& v, arguments& a) {
  auto b = bind("join", a, {"d", "attribute"});
  std::string by = b[0] ? to_str(r.budget, *b[0]) : "", out;
  getter get(r, b[1]);
  cursor c(r.budget, v);
  bool begun = false;
  for (value item; c.next(item); begun = true) {
    if (begun) out += by;
    value x = get(std::move(item));
    shower(r.budget, out).str(x);
    r.budget.text(out.size() > r.budget.text_limit() ? out.size() : by.size());
  }
  return value(std::move(out));
}

inline value list(runtime& r, value const& v, arguments& a) { return bind("list", a, {}), make_sequence(collect(r.budget, v)); }

/// Stable order of `keys`; the comparisons may throw, so indices are sorted, never values.
inline std::vector<std::size_t> sorted_order(runtime& r, values const& keys, bool reverse) {
  std::vector<std::size_t> order(keys.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) {
    return reverse ? less(r.budget, keys[j], keys[i]) : less(r.budget, keys[i], keys[j]);
  });
  return order;
}
inline values arranged(values const& items, std::vector<std::size_t> const& order) {
  values out;
  out.reserve(items.size());
  for (std::size_t i : order) out.push_back(items[i]);
  return out;
}

inline value sort(runtime& r, value const& v, arguments& a) {
  auto b = bind("sort", a, {"reverse", "case_sensitive", "attribute"});
  std::vector<getter> getters;
  bool fold = !flag_or(b[1], false);
  if (b[2] && b[2]->is_string()) {
    for (auto part : detail::split_at(r.budget, b[2]->text(), ",", -1)) {
      value attribute{std::string(part)};
      getters.emplace_back(r, &attribute, fold);
    }
  } else {
    getters.emplace_back(r, b[2], fold);
  }
  values items = collect(r.budget, v), keys;
  for (auto const& item : items) {
    values key;
    for (auto const& get : getters) key.push_back(get(item));
    keys.push_back(make_sequence(std::move(key)));
  }
  return make_sequence(arranged(items, sorted_order(r, keys, flag_or(b[0], false))));
}

inline value dictsort(runtime& r, value const& v, arguments& a) {
  auto b = bind("dictsort", a, {"case_sensitive", "by", "reverse"});
  std::string by = b[1] ? to_text(*b[1]) : "key";
  if (by != "key" && by != "value") fail("FilterArgumentError", "You can only sort by either \"key\" or \"value\"");
  if (v.undefined()) undefined_error(v);
  if (!v.is(kind::dict)) fail("AttributeError", "'" + type_name(v) + "' object has no attribute 'items'");
  getter get(r, nullptr, !flag_or(b[0], false));
  values items, keys;
  for (auto const& [k, x] : v.dict().items) {
    items.push_back(pair_of(k, x));
    keys.push_back(get(by == "key" ? k : x));
  }
  return make_sequence(arranged(items, sorted_order(r, keys, flag_or(b[2], false))));
}

template <int Sign>
value extreme(runtime& r, value const& v, arguments& a) {
  auto b = bind("min", a, {"case_sensitive", "attribute"});
  getter get(r, b[1], !flag_or(b[0], false));
  cursor c(r.budget, v);
  value best, key;
  if (!c.next(best)) return value::missing("an item of an empty sequence");
  key = get(best);
  for (value item; c.next(item);) {
    value k = get(item);
    if (order(r.budget, k, key, Sign < 0 ? "<" : ">") == Sign) {
      best = std::move(item);
      key = std::move(k);
    }
  }
  return best;
}

inline value sum(runtime& r, value const& v, arguments& a) {
  auto b = bind("sum", a, {"attribute", "start"});
  getter get(r, b[0]);
  value total = b[1] ? *b[1] : value(0);
  if (total.is_string()) type_error("sum() can't sum strings");
  cursor c(r.budget, v);
  for (value item; c.next(item);) total = operate(r.budget, binary::add, total, get(std::move(item)));
  return total;
}

inline value groupby(runtime& r, value const& v, arguments& a) {
  auto b = bind("groupby", a, {"attribute", "default", "case_sensitive"}, 1);
  bool fold = !flag_or(b[2], false);
  getter get(r, b[0], fold, b[1]), plain(r, b[0], false, b[1]);
  values items = collect(r.budget, v), keys, out;
  for (auto const& item : items) keys.push_back(get(item));
  auto order = sorted_order(r, keys, false);
  for (std::size_t i = 0; i < order.size();) {
    values group;
    std::size_t from = order[i];
    for (; i < order.size() && equal(r.budget, keys[order[i]], keys[from]); ++i) group.push_back(items[order[i]]);
    if (group.empty()) group.push_back(items[order[i++]]);   // a key that does not equal itself: NaN
    value made = pair_of(fold ? plain(group[0]) : keys[from], make_sequence(group));
    static_cast<sequence_object*>(made.address())->shown = "group";  // answers to .grouper and .list
    out.push_back(std::move(made));
  }
  return make_sequence(std::move(out));
}

inline value attr(runtime& r, value const& v, arguments& a) {
  auto b = bind("attr", a, {"name"}, 1);
  value out;
  if (v.undefined()) undefined_error(v);
  std::string name = to_text(*b[0]);
  return detail::plain_attribute(r, v, name, out) ? out : value::missing(name);
}

inline value xmlattr(runtime& r, value const& v, arguments& a) {
  auto b = bind("xmlattr", a, {"autospace"});
  if (!v.is(kind::dict)) fail("AttributeError", "'" + type_name(v) + "' object has no attribute 'items'");
  std::string out;
  auto shown = [&](value const& x) { return x.is_string() && x.string().safe ? x.text() : escape_html(to_str(r.budget, x)); };
  for (auto const& [k, x] : v.dict().items) {
    if (x.is_none() || x.undefined()) continue;
    if (to_text(k).find_first_of(" \t\n\r\f\v/>=") != std::string::npos) value_error("Invalid character in attribute name");
    out += (out.empty() ? "" : " ") + shown(k) + "=\"" + shown(x) + "\"";
    r.budget.text(out.size());
  }
  return value((flag_or(b[0], true) && !out.empty() ? " " : "") + out);
}

}  // namespace verbatim::jinja::filters
