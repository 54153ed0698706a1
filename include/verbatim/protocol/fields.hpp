// Typed, bounded readers over one JSON object that came from outside. A field that is null is absent; a field of the
// wrong type or out of range is a problem with its dotted path, and then reads as absent. Nothing is coerced: a string is
// no number, a bool is no integer (an integral 3.0 is 3, as every JSON writer may put it so).
// Cost: one linear look-up per field; objects have at most `max_keys` keys, so a request costs at most a constant.
#pragma once
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/protocol/error_body.hpp"
#include "verbatim/text/json.hpp"

namespace verbatim {

/// A short, safe rendering of an offending value.
inline std::string excerpt(json const& v) {
  switch (v.type()) {
    case json::value_t::object: return "an object";
    case json::value_t::array: return "an array of " + std::to_string(v.size());
    case json::value_t::string: {
      std::string const& s = v.get_ref<std::string const&>();
      return "'" + std::string(wire::utf8_prefix(s, problems::value_bytes)) + (s.size() > problems::value_bytes ? "…'" : "'");
    }
    default: return dump_json(v);
  }
}

/// An integer of any JSON spelling, when it fits.
inline std::optional<std::int64_t> as_integer(json const& v) {
  constexpr double exact = 9007199254740992.0;   // 2^53: beyond it a double no longer names one integer
  if (v.is_number_unsigned()) {
    auto const u = v.get<std::uint64_t>();
    if (u > std::uint64_t(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return std::int64_t(u);
  }
  if (v.is_number_integer()) return v.get<std::int64_t>();
  if (v.is_number_float()) {
    double const d = v.get<double>();
    if (std::abs(d) <= exact && std::trunc(d) == d) return std::int64_t(d);
  }
  return std::nullopt;
}

class fields {
 public:
  static constexpr std::size_t max_keys = 256;

  /// `object` must be an object and outlive this.
  fields(json const& object, std::string path, problems& p) : object_(&object), path_(std::move(path)), problems_(&p) {
    if (object.size() > max_keys) add("", "more than " + std::to_string(max_keys) + " fields"), object_ = &none();
  }

  std::string at(std::string_view name) const {
    if (name.empty()) return path_;
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  }
  void add(std::string_view name, std::string_view message, std::string_view code = {}) { problems_->add(at(name), message, code); }
  problems& report() noexcept { return *problems_; }

  /// The value, or null when absent. Marks the field as known.
  json const* find(std::string_view name) {
    known_.push_back(name);
    auto const it = object_->find(name);
    return it == object_->end() || it->is_null() ? nullptr : &*it;
  }

  /// Whether it is there and null, which `find` takes for absent.
  bool is_null(std::string_view name) const {
    auto const it = object_->find(name);
    return it != object_->end() && it->is_null();
  }

  std::optional<bool> boolean(std::string_view name) {
    json const* v = find(name);
    if (!v) return std::nullopt;
    if (v->is_boolean()) return v->get<bool>();
    return wrong(name, "true or false", *v), std::nullopt;
  }
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t low, std::int64_t high) {
    json const* v = find(name);
    if (!v) return std::nullopt;
    auto const value = as_integer(*v);
    if (!value || *value < low || *value > high)
      return wrong(name, "an integer from " + std::to_string(low) + " to " + std::to_string(high), *v), std::nullopt;
    return value;
  }
  /// low <= value <= high; with `above_low`, low < value.
  struct range { double low, high; bool above_low = false; };
  std::optional<float> number(std::string_view name, range r) {
    json const* v = find(name);
    if (!v) return std::nullopt;
    double const d = v->is_number() ? v->get<double>() : std::nan("");
    if (!(d >= r.low && d <= r.high) || (r.above_low && !(float(d) > float(r.low)))) {
      json const low = r.low, high = r.high;
      return wrong(name, "a number " + std::string(r.above_low ? "above " : "from ") + dump_json(low) + " to " + dump_json(high), *v),
             std::nullopt;
    }
    return float(d);
  }
  std::optional<std::string> text(std::string_view name, std::size_t max_bytes) {
    json const* v = find(name);
    if (!v) return std::nullopt;
    if (!v->is_string()) return wrong(name, "a string", *v), std::nullopt;
    auto const& s = v->get_ref<std::string const&>();
    if (s.size() > max_bytes) return add(name, "longer than " + std::to_string(max_bytes) + " bytes"), std::nullopt;
    return s;
  }
  json const* array(std::string_view name, std::size_t max_size) {
    json const* v = find(name);
    if (!v) return nullptr;
    if (!v->is_array()) return wrong(name, "an array", *v), nullptr;
    if (v->size() > max_size)
      return add(name, "has " + std::to_string(v->size()) + " elements, at most " + std::to_string(max_size) + " are taken"), nullptr;
    return v;
  }
  json const* object(std::string_view name) {
    json const* v = find(name);
    if (v && !v->is_object()) return wrong(name, "an object", *v), nullptr;
    return v;
  }

  /// Fields that mean nothing here and change no answer: accepted.
  void ignore(std::initializer_list<std::string_view> names) { known_.insert(known_.end(), names); }
  /// Fields that would change the answer and are not offered: a clear error instead of a different answer.
  void refuse(std::initializer_list<std::string_view> names, std::string_view why = "is not supported by this server") {
    for (auto name : names)
      if (find(name)) add(name, why, "unsupported_parameter");
  }
  /// Fields accepted only with the value that changes nothing.
  template <class Neutral> void only(std::string_view name, Neutral neutral, std::string_view why) {
    json const* v = find(name);
    if (v && !neutral(*v)) add(name, why, "unsupported_parameter");
  }

  /// Names of fields that nobody asked for, in order, at most `problems::shown`.
  std::vector<std::string> unknown() const {
    std::vector<std::string> names;
    for (auto const& [name, value] : object_->items()) {
      if (names.size() == problems::shown) break;
      bool known = false;
      for (auto k : known_) known = known || k == name;
      if (!known) names.push_back(name);
    }
    return names;
  }

 private:
  static json const& none() {
    static json const empty = json::object();
    return empty;
  }
  void wrong(std::string_view name, std::string_view expected, json const& found) {
    add(name, "expected " + std::string(expected) + ", found " + excerpt(found));
  }

  json const* object_;
  std::string path_;
  problems* problems_;
  std::vector<std::string_view> known_;
};

}  // namespace verbatim
