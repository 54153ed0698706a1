// Searching and cutting of strings for str's methods: find, count, replace, split, splitlines, strip. Indices of code
// points; linear (a needle is found by memchr and memcmp steps, charged by the bytes looked at).
#pragma once
#include <cstring>
#include <string>
#include <string_view>

#include "verbatim/text/jinja/arguments.hpp"
#include "verbatim/text/jinja/compare.hpp"

namespace verbatim::jinja::detail {

/// Position of `needle` from `at` on; charged, because a hostile needle makes the search quadratic.
inline std::size_t search(meter& m, std::string_view s, std::string_view needle, std::size_t at) {
  std::size_t const from = at;
  if (needle.empty()) return at <= s.size() ? at : s.npos;
  while (at + needle.size() <= s.size()) {
    auto const* p = static_cast<char const*>(std::memchr(s.data() + at, needle[0], s.size() - needle.size() - at + 1));
    if (!p) break;
    at = std::size_t(p - s.data());
    if (std::memcmp(p, needle.data(), needle.size()) == 0) {
      m.step((at - from) / 64);
      return at;
    }
    m.step(needle.size() / 64 + 1);
    ++at;
  }
  m.step((s.size() - std::min(from, s.size())) / 64);
  return s.npos;
}

inline bool is_boundary(std::string_view s, std::size_t at) {
  return at >= s.size() || (static_cast<unsigned char>(s[at]) & 0xC0) != 0x80;
}

inline std::string replace_all(meter& m, std::string_view s, std::string_view old, std::string_view fresh, std::int64_t count) {
  std::string out;
  auto put = [&](std::string_view piece) {
    if (out.size() + piece.size() > m.text_limit()) exhausted("a replacement grows too long");
    m.step(1 + piece.size() / 64);
    out += piece;
  };
  std::size_t at = 0;
  if (old.empty()) {                               // between all characters and at both ends
    for (; count != 0 && at <= s.size(); --count) {
      put(fresh);
      if (at == s.size()) return out;
      std::size_t n = width_at(s, at);
      put(s.substr(at, n));
      at += n;
    }
    put(s.substr(at));
    return out;
  }
  for (; count != 0; --count) {
    std::size_t next = search(m, s, old, at);
    if (next == s.npos) break;
    put(s.substr(at, next - at));
    put(fresh);
    at = next + old.size();
  }
  put(s.substr(at));
  return out;
}

inline value make_strings(std::vector<std::string_view> const& parts, bool safe) {
  values out;
  out.reserve(parts.size());
  for (auto p : parts) out.push_back(value(std::string(p), safe));
  return make_sequence(std::move(out));
}

inline std::vector<std::string_view> split_space(meter& m, std::string_view s, std::int64_t limit) {
  std::vector<std::string_view> out;
  m.step(s.size() / 16);
  for (s = strip_left(s); !s.empty(); s = strip_left(s)) {
    m.step();
    if (limit-- == 0) {
      out.push_back(s);
      break;
    }
    std::size_t end = 0;
    while (end < s.size() && !is_space(point_at(s, end))) end += width_at(s, end);
    out.push_back(s.substr(0, end));
    s.remove_prefix(end);
  }
  return out;
}
inline std::vector<std::string_view> split_space_right(meter& m, std::string_view s, std::int64_t limit) {
  std::vector<std::string_view> out;
  m.step(s.size() / 16);
  for (s = strip_right(s); !s.empty(); s = strip_right(s)) {
    m.step();
    if (limit-- == 0) {
      out.push_back(s);
      break;
    }
    std::size_t from = s.size();
    while (from > 0) {
      std::size_t at = before(s, from);
      if (is_space(point_at(s, at))) break;
      from = at;
    }
    out.push_back(s.substr(from));
    s = s.substr(0, from);
  }
  std::reverse(out.begin(), out.end());
  return out;
}
inline std::vector<std::string_view> split_at(meter& m, std::string_view s, std::string_view by, std::int64_t limit) {
  std::vector<std::string_view> out;
  std::size_t at = 0;
  for (; limit != 0; --limit) {
    std::size_t next = search(m, s, by, at);
    if (next == s.npos) break;
    m.step();
    out.push_back(s.substr(at, next - at));
    at = next + by.size();
  }
  out.push_back(s.substr(at));
  return out;
}
inline std::vector<std::string_view> split_at_right(meter& m, std::string_view s, std::string_view by, std::int64_t limit) {
  std::vector<std::string_view> out;
  for (; limit != 0; --limit) {
    std::size_t next = s.size() < by.size() ? s.npos : s.rfind(by);
    m.step(1 + (s.size() - (next == s.npos ? 0 : next)) / 16 * (1 + by.size() / 64));
    if (next == s.npos) break;
    out.push_back(s.substr(next + by.size()));
    s = s.substr(0, next);
  }
  out.push_back(s);
  std::reverse(out.begin(), out.end());
  return out;
}

inline std::vector<std::string_view> split_lines(meter& m, std::string_view s, bool keep_ends) {
  std::vector<std::string_view> out;
  m.step(s.size() / 16);
  std::size_t from = 0;
  for (std::size_t at = 0; at < s.size();) {
    std::size_t n = line_end_at(s, at);
    if (!n) {
      at += width_at(s, at);
      continue;
    }
    m.step();
    out.push_back(s.substr(from, at - from + (keep_ends ? n : 0)));
    from = at += n;
  }
  if (from < s.size()) out.push_back(s.substr(from));
  return out;
}

/// strip, lstrip, rstrip with a set of characters; `sides` 1 left, 2 right, 3 both.
inline std::string_view strip_set(meter& m, std::string_view s, std::string_view set, int sides) {
  auto in_set = [&](std::size_t at) {
    m.step(1 + set.size() / 16);
    std::string_view c = s.substr(at, width_at(s, at));
    for (std::size_t i = set.find(c); i != set.npos; i = set.find(c, i + 1))
      if (is_boundary(set, i)) return true;
    return false;
  };
  while ((sides & 1) && !s.empty() && in_set(0)) s.remove_prefix(width_at(s, 0));
  while ((sides & 2) && !s.empty()) {
    std::size_t at = before(s, s.size());
    if (!in_set(at)) break;
    s = s.substr(0, at);
  }
  return s;
}

/// The piece of s that optional `start` and `stop` (code points, Python's clipping) select, and where it begins.
struct window {
  std::string_view piece;
  std::int64_t first;
  bool valid;                                      // false when start lies beyond the end
};
inline window window_of(string_object const& s, value const* start, value const* stop) {
  std::int64_t n = std::int64_t(s.length);
  auto place = [&](value const* v, std::int64_t otherwise) {
    if (!v || v->is_none()) return otherwise;
    std::int64_t i = to_index(*v);
    return i < 0 ? std::max<std::int64_t>(i < -n ? 0 : i + n, 0) : i;
  };
  std::int64_t from = place(start, 0), to = std::min(place(stop, n), n);
  if (from > n || from > to) return {{}, from, false};
  std::string_view all = s.s;
  std::size_t a = s.ascii ? std::size_t(from) : offset_of(all, std::size_t(from));
  std::size_t b = s.ascii ? std::size_t(to) : a + offset_of(all.substr(a), std::size_t(to - from));
  return {all.substr(a, b - a), from, true};
}

}  // namespace verbatim::jinja::detail
