// Reading the configuration objects of tokenizer.json with checks: each wrong type or missing member is a numbered error
// that names the place, what is expected and what is found. Nesting of sequences is bounded.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "verbatim/core/error.hpp"
#include "verbatim/text/json.hpp"
#include "verbatim/text/utf8.hpp"

namespace verbatim::detail {

/// A JSON value and where it is, for messages.
class component {
 public:
  component(json const& value, std::string where, int depth = 0) : value_(value), where_(std::move(where)), depth_(depth) {
    if (depth > 16) fail("at most 16 nested sequences expected");
  }

  json const& value() const { return value_; }
  std::string const& where() const { return where_; }
  [[noreturn]] void fail(std::string const& what) const { throw error("tokenizer", 2, where_ + ": " + what); }
  [[noreturn]] void unsupported(std::string const& what) const { throw error("tokenizer", 3, where_ + ": " + what); }

  std::string type() const { return text("type"); }
  json const* find(char const* key) const {
    if (!value_.is_object()) fail(std::string("an object expected, ") + value_.type_name() + " found");
    auto const at = value_.find(key);
    return at == value_.end() || at->is_null() ? nullptr : &*at;
  }
  component at(char const* key) const {
    json const* const found = find(key);
    if (found == nullptr) fail(std::string("\"") + key + "\" expected, nothing found");
    return component(*found, where_ + "." + key, depth_ + 1);
  }
  std::string text() const {
    if (!value_.is_string()) fail(std::string("a string expected, ") + value_.type_name() + " found");
    return value_.get_ref<json::string_t const&>();
  }
  std::string text(char const* key) const { return at(key).text(); }
  std::string text_or(char const* key, char const* otherwise) const { return find(key) == nullptr ? otherwise : text(key); }
  bool flag(char const* key, bool otherwise) const {
    json const* const found = find(key);
    if (found == nullptr) return otherwise;
    if (!found->is_boolean()) fail(std::string("\"") + key + "\": true or false expected, " + found->type_name() + " found");
    return found->get<bool>();
  }
  std::int64_t integer(std::int64_t lowest, std::int64_t highest) const {
    bool const fits = value_.is_number_integer() && !(value_.is_number_unsigned() && value_.get<std::uint64_t>() > std::uint64_t(highest));
    if (!fits || value_.get<std::int64_t>() < lowest || value_.get<std::int64_t>() > highest)
      fail("an integer from " + std::to_string(lowest) + " to " + std::to_string(highest) + " expected, " +
           value_.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 40) + " found");
    return value_.get<std::int64_t>();
  }
  std::int64_t integer(char const* key, std::int64_t lowest, std::int64_t highest) const { return at(key).integer(lowest, highest); }
  /// Calls visit(component) for each element of an array.
  template <class Visit> void each(Visit&& visit) const {
    if (!value_.is_array()) fail(std::string("an array expected, ") + value_.type_name() + " found");
    std::size_t i = 0;
    for (json const& element : value_) visit(component(element, where_ + "[" + std::to_string(i++) + "]", depth_ + 1));
  }

 private:
  json const& value_;
  std::string where_;
  int depth_;
};

/// {"String": s} or {"Regex": s}: gives the text; `is_regex` says which.
inline std::string pattern_text(component const& c, bool& is_regex) {
  if (c.value().is_string()) return is_regex = false, c.text();
  is_regex = c.find("Regex") != nullptr;
  if (!is_regex && c.find("String") == nullptr) c.fail("{\"String\": ..} or {\"Regex\": ..} expected");
  return c.text(is_regex ? "Regex" : "String");
}


/// The one code point that a string member must be; `otherwise`: when it is missing (nullptr: it must be there).
inline char32_t one_character(component const& c, char const* key, char const* otherwise) {
  std::string const text = otherwise == nullptr ? c.text(key) : c.text_or(key, otherwise);
  char const* p = text.data();
  char32_t const result = text.empty() ? 0 : utf8_next(p);
  if (text.empty() || p != text.data() + text.size()) c.fail(std::string("\"") + key + "\": one character expected, \"" + text.substr(0, 40) + "\" found");
  return result;
}

}  // namespace verbatim::detail
