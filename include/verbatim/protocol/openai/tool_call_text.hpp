// The text between <tool_call> and </tool_call>: {"name": …, "arguments": {…}}. Two readers: one goes along byte by byte and
// says where the object ends, or that this is none; the other judges the finished text.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "verbatim/protocol/openai/message_delta.hpp"
#include "verbatim/text/json.hpp"

namespace verbatim::openai_v1 {

/// Limits of a call; what exceeds them is no call. A later request may carry whatever keeps to them.
inline constexpr json_limits tool_call_limits{.depth = 64, .values = 1'000'000};
inline constexpr std::size_t tool_name_bytes = 4096;

/// Follows an object byte by byte, only as closely as it takes to know that it goes on: brackets and strings, and that no
/// byte stands where JSON has none. So text that is no object is known early, and a marker inside a string is not one.
class object_scan {
 public:
  enum class verdict : std::uint8_t { open, complete, none };   ///< complete: only white space may follow

  verdict take(char c) noexcept {
    if (in_string_) {
      if (static_cast<unsigned char>(c) < 0x20) return verdict::none;
      if (escaped_) escaped_ = false;
      else if (c == '\\') escaped_ = true;
      else if (c == '"') in_string_ = false;
      return verdict::open;
    }
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') return complete_ ? verdict::complete : verdict::open;
    if (complete_ || (depth_ == 0 && c != '{')) return verdict::none;
    if (c == '{' || c == '[') return ++depth_ > tool_call_limits.depth ? verdict::none : verdict::open;
    if (c == '}' || c == ']') {
      complete_ = --depth_ == 0;
      return complete_ ? verdict::complete : verdict::open;
    }
    in_string_ = c == '"';
    return in_string_ || scalars.find(c) != scalars.npos ? verdict::open : verdict::none;
  }
  bool complete() const noexcept { return complete_; }

 private:
  static constexpr std::string_view scalars = ",:+-.0123456789eEtrufalsn";   // numbers, true, false, null
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false, complete_ = false;
};

namespace detail {

/// The end of the value that begins at `at` of a valid JSON text.
inline std::size_t value_end(std::string_view text, std::size_t at) noexcept {
  int depth = 0;
  bool in_string = false;
  for (; at < text.size(); ++at) {
    char const c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth-- == 0) return at;
    } else if (depth == 0 && (c == ',' || c == ':')) {
      return at;
    }
  }
  return at;
}

inline std::string_view trimmed(std::string_view s) noexcept {
  constexpr std::string_view space = " \t\r\n";
  s.remove_prefix(std::min(s.find_first_not_of(space), s.size()));
  return s.substr(0, s.find_last_not_of(space) + 1);
}

/// The text of a member's value, of the last one where the name is repeated. `object` is the text of a valid JSON object.
inline std::string_view member_text(std::string_view object, std::string_view name) {
  std::string_view found;
  std::size_t at = object.find('{') + 1;
  while (at < object.size() && object[at - 1] != '}') {
    std::size_t const colon = value_end(object, at), end = value_end(object, std::min(colon + 1, object.size()));
    if (colon >= object.size() || object[colon] != ':') break;   // an empty object
    std::string_view key = trimmed(object.substr(at, colon - at));
    std::string decoded;
    if (key.find('\\') != key.npos) key = decoded = parse_json(key).get<std::string>(); else key = key.substr(1, key.size() - 2);
    if (key == name) found = trimmed(object.substr(colon + 1, end - colon - 1));
    at = end + 1;
  }
  return found;
}

}  // namespace detail

/// The call that `text` spells: an object with a "name" and, as "arguments" or "parameters", an object or nothing.
/// Anything else gives nothing. Linear time.
inline std::optional<tool_call> read_tool_call(std::string_view text) {
  json object;
  try {
    object = parse_json(text, tool_call_limits);
  } catch (error const&) {
    return std::nullopt;
  }
  if (!object.is_object()) return std::nullopt;
  auto const name = object.find("name");
  if (name == object.end() || !name->is_string()) return std::nullopt;
  tool_call call{.name = name->get<std::string>()};
  if (call.name.empty() || call.name.size() > tool_name_bytes) return std::nullopt;
  std::string_view const key = object.contains("arguments") ? "arguments" : "parameters";
  auto const arguments = object.find(key);
  if (arguments == object.end()) call.arguments = "{}";
  else if (arguments->is_object()) call.arguments = detail::member_text(text, key);
  else return std::nullopt;
  return call;
}

}  // namespace verbatim::openai_v1
