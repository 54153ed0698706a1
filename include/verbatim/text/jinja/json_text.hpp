// JSON text as Python's json.dumps writes it (ensure_ascii, indent, separators, sort_keys), for the `tojson` filter,
// and the conversion of verbatim::json into values. No HTML escaping. Linear; every value visited is charged.
#pragma once
#include <algorithm>
#include <limits>
#include <optional>
#include <string>

#include "verbatim/text/jinja/show.hpp"
#include "verbatim/text/json.hpp"

namespace verbatim::jinja {

struct json_style {
  bool ascii = false, sorted = false;
  std::optional<std::string> indent;               // one level
  std::string comma = ", ", colon = ": ";
};

class json_writer {
 public:
  json_writer(meter& m, json_style const& style) : meter_(m), style_(style) {}
  std::string write(value const& v) {
    any(v, 0);
    return std::move(out_);
  }

 private:
  void put(std::string_view s) {
    meter_.text(out_.size() + s.size() > meter_.text_limit() ? meter_.text_limit() + 1 : s.size());
    out_ += s;
  }
  void line(int level) {
    if (!style_.indent) return;
    put("\n");
    for (int i = 0; i < level; ++i) put(*style_.indent);
  }
  void any(value const& v, int level) {
    meter_.step();
    switch (v.type()) {
      case kind::none: return put("null");
      case kind::boolean: return put(v.boolean() ? "true" : "false");
      case kind::integer: return put(std::to_string(v.integer()));
      case kind::real: return put(real(v.real()));
      case kind::string: return string(v.text());
      case kind::dict: return dict(v.dict(), level);
      case kind::sequence:
        if (v.sequence().what <= flavor::tuple) return list(v.sequence(), level);
        [[fallthrough]];
      default: type_error("Object of type " + type_name(v) + " is not JSON serializable");
    }
  }
  static std::string real(double d) {
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d < 0 ? "-Infinity" : "Infinity";
    return show_real(d);
  }
  void list(sequence_object const& s, int level) {
    if (s.items.empty()) return put("[]");
    put("[");
    for (std::size_t i = 0; i < s.items.size(); ++i) {
      if (i) put(style_.comma);
      line(level + 1);
      any(s.items[i], level + 1);
    }
    line(level);
    put("]");
  }
  std::string key(value const& k) {
    switch (k.type()) {
      case kind::string: return k.text();
      case kind::none: return "null";
      case kind::boolean: return k.boolean() ? "true" : "false";
      case kind::integer: return std::to_string(k.integer());
      case kind::real: return real(k.real());
      default: type_error("keys must be str, int, float, bool or None, not " + type_name(k));
    }
  }
  void dict(dict_object const& d, int level) {
    if (d.items.empty()) return put("{}");
    std::vector<std::pair<value, value> const*> order;
    for (auto const& item : d.items) order.push_back(&item);
    if (style_.sorted) sort(order);
    put("{");
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i) put(style_.comma);
      line(level + 1);
      string(key(order[i]->first));
      put(style_.colon);
      any(order[i]->second, level + 1);
    }
    line(level);
    put("}");
  }
  void sort(std::vector<std::pair<value, value> const*>& order) {
    meter_.step(order.size() * 4);
    bool numbers = order[0]->first.is_number();
    for (auto const* item : order)
      if (order.size() > 1 && !(numbers ? item->first.is_number() : item->first.is_string()))
        type_error("'<' not supported between keys of different types");
    std::stable_sort(order.begin(), order.end(), [&](auto const* a, auto const* b) {
      return numbers ? a->first.real() < b->first.real() : a->first.text() < b->first.text();
    });
  }
  void string(std::string_view s) {
    put("\"");
    meter_.text(s.size());
    for (std::size_t at = 0; at < s.size();) {
      unsigned char c = static_cast<unsigned char>(s[at]);
      constexpr std::string_view special = "\"\\\n\r\t\f\b", letters = "\"\\nrtfb";
      if (auto i = special.find(char(c)); i != special.npos) {
        (out_ += '\\') += letters[i];
      } else if (c < 0x20) {
        detail::append_hex(out_, "\\u", c, 4);
      } else if (c < 0x80 || !style_.ascii) {
        out_ += char(c);
      } else {
        escape(point_at(s, at));
        at += width_at(s, at) - 1;
      }
      ++at;
    }
    put("\"");
  }
  void escape(char32_t c) {
    if (c < 0x10000) return detail::append_hex(out_, "\\u", c, 4);
    detail::append_hex(out_, "\\u", 0xD800 + ((c - 0x10000) >> 10), 4);
    detail::append_hex(out_, "\\u", 0xDC00 + ((c - 0x10000) & 0x3FF), 4);
  }
  meter& meter_;
  json_style const& style_;
  std::string out_;
};

/// A value from JSON; `level` counts the nesting. Integers beyond 64 bits are refused.
inline value from_json(json const& j, int level = 0) {
  if (level > nesting_limit - 2) exhausted("the context is nested too deeply");
  switch (j.type()) {
    case json::value_t::null: return value::none();
    case json::value_t::boolean: return value(j.get<bool>());
    case json::value_t::number_integer: return value(j.get<std::int64_t>());
    case json::value_t::number_unsigned:
      if (j.get<std::uint64_t>() > std::uint64_t(std::numeric_limits<std::int64_t>::max()))
        fail("OverflowError", "an integer beyond 64 bits in the context");
      return value(j.get<std::int64_t>());
    case json::value_t::number_float: return value(j.get<double>());
    case json::value_t::string: return value(std::string(j.get_ref<std::string const&>()));
    case json::value_t::array: {
      values items;
      items.reserve(j.size());
      for (auto const& item : j) items.push_back(from_json(item, level + 1));
      return make_sequence(std::move(items));
    }
    case json::value_t::object: {
      pairs items;
      items.reserve(j.size());
      for (auto const& [k, v] : j.get_ref<json::object_t const&>()) items.emplace_back(value(std::string(k)), from_json(v, level + 1));
      return make_dict(std::move(items));
    }
    default: type_error("binary data in the context");
  }
}

}  // namespace verbatim::jinja
