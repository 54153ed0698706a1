// Reads a configuration file's JSON object and its fields: present or defaulted, of the right type, in bounds.
// JSON null counts as absent, as in transformers. Every message names the file, the field, what is expected and found.
// Cost: a linear search per field.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/token.hpp"
#include "verbatim/text/json.hpp"

namespace verbatim::weights {

/// What may be wrong with a field.
enum class fault { architecture, missing, type, range, inconsistent, unsupported };

class config_fields {
 public:
  /// `object` must be a JSON object and outlive this; `file` is for messages, `prefix` for fields of nested objects.
  config_fields(json const& object, std::string file, std::string prefix = {})
      : object_(&object), file_(std::move(file)), prefix_(std::move(prefix)) {}

  /// The value, or null where the field is absent or null.
  json const* find(char const* field) const {
    auto const at = object_->find(field);
    return at == object_->end() || at->is_null() ? nullptr : &*at;
  }
  bool has(char const* field) const { return find(field) != nullptr; }
  /// Whether the field is written at all, be it null.
  bool written(char const* field) const { return object_->contains(field); }
  json const& object() const noexcept { return *object_; }
  std::string const& file() const noexcept { return file_; }

  [[noreturn]] void fail(fault f, char const* field, std::string const& what) const {
    std::string const text = file_ + ": \"" + prefix_ + field + "\": " + what;
    if (f == fault::architecture) throw error("config", 3, text);
    if (f == fault::missing) throw error("config", 4, text);
    if (f == fault::type) throw error("config", 5, text);
    if (f == fault::range) throw error("config", 6, text);
    if (f == fault::inconsistent) throw error("config", 7, text);
    throw error("config", 8, text);
  }
  /// "EXPECTED expected, VALUE found".
  [[noreturn]] void refuse(fault f, char const* field, std::string const& expected) const {
    auto const at = object_->find(field);
    fail(f, field, expected + " expected, " + (at == object_->end() ? "nothing" : shown(*at)) + " found");
  }
  static std::string shown(json const& value) {
    if (value.is_object()) return "an object";
    if (value.is_array()) return "an array";
    std::string text = dump_json(value);
    if (text.size() > 80) text = text.substr(0, 80) + "…";
    return text;
  }

  /// Throws error("config", 5) for another type, 6 out of bounds; so do the following.
  std::optional<std::int64_t> integer(char const* field, std::int64_t lowest, std::int64_t highest) const {
    json const* v = find(field);
    if (!v) return {};
    return checked(*v, field, lowest, highest);
  }
  int integer(char const* field, int lowest, int highest, int absent) const {
    return int(integer(field, lowest, highest).value_or(absent));
  }
  /// Throws error("config", 4) where it is absent.
  int required(char const* field, int lowest, int highest) const {
    if (!has(field)) fail(fault::missing, field, "a number expected, " + std::string(written(field) ? "null" : "nothing") + " found");
    return integer(field, lowest, highest, 0);
  }
  std::optional<float> number(char const* field, double lowest, double highest) const {
    json const* v = find(field);
    if (!v) return {};
    if (!v->is_number()) refuse(fault::type, field, "a number");
    double const d = v->get<double>();
    if (!(d >= lowest && d <= highest)) refuse(fault::range, field, "a number from " + short_of(lowest) + " to " + short_of(highest));
    return float(d);
  }
  std::optional<bool> boolean(char const* field) const {
    json const* v = find(field);
    if (!v) return {};
    if (!v->is_boolean()) refuse(fault::type, field, "true or false");
    return v->get<bool>();
  }
  std::optional<std::string> text(char const* field) const {
    json const* v = find(field);
    if (!v) return {};
    if (!v->is_string()) refuse(fault::type, field, "a string");
    return v->get<std::string>();
  }
  /// One token id or a list of them, without repetition, at most 64, below `vocabulary`.
  std::vector<token> tokens(char const* field, int vocabulary) const {
    std::vector<token> out;
    json const* v = find(field);
    if (!v) return out;
    if (v->is_array() && v->size() > 64)
      fail(fault::range, field, "at most 64 token ids expected, " + std::to_string(v->size()) + " found");
    auto const add = [&](json const& one) {
      token const id = token(checked(one, field, 0, vocabulary - 1));
      for (token t : out)
        if (t == id) return;
      out.push_back(id);
    };
    if (v->is_array())
      for (auto const& one : *v) add(one);
    else
      add(*v);
    return out;
  }

 private:
  std::int64_t checked(json const& v, char const* field, std::int64_t lowest, std::int64_t highest) const {
    if (!v.is_number_integer()) fail(fault::type, field, "an integer expected, " + shown(v) + " found");
    bool const huge = v.is_number_unsigned() && v.get<std::uint64_t>() > std::uint64_t(INT64_MAX);
    std::int64_t const i = huge ? 0 : v.get<std::int64_t>();
    if (huge || i < lowest || i > highest)
      fail(fault::range, field,
           "an integer from " + std::to_string(lowest) + " to " + std::to_string(highest) + " expected, " + shown(v) + " found");
    return i;
  }
  static std::string short_of(double d) { return shown(json(d)); }

  json const* object_;
  std::string file_, prefix_;
};

namespace detail {

inline constexpr std::size_t config_bytes = 16 << 20;    ///< of a configuration file; real ones have a few KB

/// Parses a configuration file. Throws error("config", 2) unless it is one JSON object.
inline json config_object(std::string_view text, std::string const& file) {
  if (text.size() > config_bytes) throw error("config", 2, file + ": at most 16 MiB expected, " + std::to_string(text.size()) + " bytes found");
  json top;
  try {
    top = parse_json(text, {.depth = 32, .values = 1'000'000});
  } catch (error const& e) {
    throw error("config", 2, file + ": " + std::string(e.message()));
  }
  if (!top.is_object()) throw error("config", 2, file + ": a JSON object expected, " + std::string(top.type_name()) + " found");
  return top;
}

}  // namespace detail

}  // namespace verbatim::weights
