// Arithmetic, subscripts and slices as Python computes them; integers are 64 bits and overflow is an error.
#pragma once
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "verbatim/text/jinja/compare.hpp"
#include "verbatim/text/jinja/printf.hpp"
#include "verbatim/text/jinja/show.hpp"

namespace verbatim::jinja {

enum class binary : std::uint8_t { add, subtract, multiply, divide, floor_divide, modulo, power };

[[noreturn]] inline void overflow() { fail("OverflowError", "an integer beyond 64 bits"); }

namespace detail {

[[noreturn]] inline void unsupported(binary op, value const& a, value const& b) {
  constexpr char const* names[] = {"+", "-", "*", "/", "//", "%", "**"};
  if (a.undefined()) undefined_error(a);
  if (b.undefined()) undefined_error(b);
  type_error(std::string("unsupported operand type(s) for ") + names[int(op)] + ": '" + type_name(a) + "' and '" + type_name(b) + "'");
}

inline std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) fail("ZeroDivisionError", "integer division or modulo by zero");
  if (b == -1 && a == std::numeric_limits<std::int64_t>::min()) overflow();
  std::int64_t q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}
inline std::int64_t modulo(std::int64_t a, std::int64_t b) {
  if (b == 0) fail("ZeroDivisionError", "integer division or modulo by zero");
  if (b == -1) return 0;
  std::int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
inline double modulo(double a, double b) {
  if (b == 0) fail("ZeroDivisionError", "float modulo");
  double r = std::fmod(a, b);
  if (r == 0) return std::copysign(0.0, b);
  return (r < 0) != (b < 0) ? r + b : r;
}
inline double floor_divide(double a, double b) {
  if (b == 0) fail("ZeroDivisionError", "float floor division by zero");
  double r = std::fmod(a, b), q = (a - r) / b;
  if (r != 0 && (r < 0) != (b < 0)) q -= 1;
  if (q == 0) return std::copysign(0.0, a / b);
  double f = std::floor(q);
  return q - f > 0.5 ? f + 1 : f;
}
inline value power(std::int64_t a, std::int64_t b) {
  if (b < 0) {
    if (a == 0) fail("ZeroDivisionError", "0.0 cannot be raised to a negative power");
    return std::pow(double(a), double(b));
  }
  std::int64_t result = 1;
  while (b > 0) {
    if ((b & 1) && __builtin_mul_overflow(result, a, &result)) overflow();
    b >>= 1;
    if (b > 0 && __builtin_mul_overflow(a, a, &a)) overflow();
  }
  return result;
}
inline value power(double a, double b) {
  if (a == 0 && b < 0) fail("ZeroDivisionError", "0.0 cannot be raised to a negative power");
  if (a < 0 && b != std::floor(b) && std::isfinite(a) && std::isfinite(b)) value_error("complex numbers are not supported");
  double r = std::pow(a, b);
  if (std::isinf(r) && std::isfinite(a) && std::isfinite(b)) fail("OverflowError", "numerical result out of range");
  return r;
}

inline value integers(binary op, std::int64_t a, std::int64_t b) {
  std::int64_t r = 0;
  switch (op) {
    case binary::add:
      if (__builtin_add_overflow(a, b, &r)) overflow();
      return r;
    case binary::subtract:
      if (__builtin_sub_overflow(a, b, &r)) overflow();
      return r;
    case binary::multiply:
      if (__builtin_mul_overflow(a, b, &r)) overflow();
      return r;
    case binary::divide:
      if (b == 0) fail("ZeroDivisionError", "division by zero");
      return double((long double)(a) / (long double)(b));
    case binary::floor_divide: return floor_divide(a, b);
    case binary::modulo: return modulo(a, b);
    default: return power(a, b);
  }
}
inline value reals(binary op, double a, double b) {
  switch (op) {
    case binary::add: return a + b;
    case binary::subtract: return a - b;
    case binary::multiply: return a * b;
    case binary::divide:
      if (b == 0) fail("ZeroDivisionError", "float division by zero");
      return a / b;
    case binary::floor_divide: return floor_divide(a, b);
    case binary::modulo: return modulo(a, b);
    default: return power(a, b);
  }
}

inline value repeat(meter& m, value const& v, std::int64_t n) {
  n = std::max<std::int64_t>(n, 0);
  auto times = [&](std::size_t size) {
    if (size && std::size_t(n) > m.text_limit() / size) exhausted("a repetition grows too long");
    return size * std::size_t(n);
  };
  if (v.is_string()) {
    std::size_t size = times(v.text().size());
    m.text(size);
    std::string out;
    out.reserve(size);
    for (std::int64_t i = 0; i < n && size; ++i) out += v.text();
    return value(std::move(out), v.string().safe);
  }
  auto const& items = v.sequence().items;
  std::size_t size = times(items.size());
  m.step(size);
  values out;
  out.reserve(size);
  for (std::int64_t i = 0; i < n && size; ++i) out.insert(out.end(), items.begin(), items.end());
  return make_sequence(std::move(out), v.sequence().what);
}

inline value concatenate(meter& m, value const& a, value const& b) {
  if (a.is_string()) {
    m.text(a.text().size() + b.text().size());
    bool safe = a.string().safe || b.string().safe;
    if (safe) return value((a.string().safe ? a.text() : escape_html(a.text())) + (b.string().safe ? b.text() : escape_html(b.text())), true);
    std::string out;
    out.reserve(a.text().size() + b.text().size());
    return value((out += a.text()) += b.text());
  }
  auto const &x = a.sequence().items, &y = b.sequence().items;
  m.step(x.size() + y.size());
  values out(x);
  out.insert(out.end(), y.begin(), y.end());
  return make_sequence(std::move(out), a.sequence().what);
}

inline bool repeatable(value const& v) {
  return v.is_string() || (v.is(kind::sequence) && v.sequence().what <= flavor::tuple);
}

}  // namespace detail

inline value operate(meter& m, binary op, value const& a, value const& b) {
  if (a.is_integral() && b.is_integral()) return detail::integers(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return detail::reals(op, a.real(), b.real());
  if (op == binary::add) {
    if (a.is_string() && b.is_string()) return detail::concatenate(m, a, b);
    if (a.is(kind::sequence) && b.is(kind::sequence) && a.sequence().what == b.sequence().what && a.sequence().what <= flavor::tuple)
      return detail::concatenate(m, a, b);
  }
  if (op == binary::multiply) {
    if (detail::repeatable(a) && b.is_integral()) return detail::repeat(m, a, b.integer());
    if (detail::repeatable(b) && a.is_integral()) return detail::repeat(m, b, a.integer());
  }
  if (op == binary::modulo && a.is_string()) return printf_format(m, a, b);
  detail::unsupported(op, a, b);
}

inline value negate(value const& v) {
  if (v.undefined()) undefined_error(v);
  if (v.is(kind::real)) return -v.real();
  if (!v.is_integral()) type_error("bad operand type for unary -: '" + type_name(v) + "'");
  if (v.integer() == std::numeric_limits<std::int64_t>::min()) overflow();
  return -v.integer();
}
inline value posit(value const& v) {
  if (v.undefined()) undefined_error(v);
  if (!v.is_number()) type_error("bad operand type for unary +: '" + type_name(v) + "'");
  return v.is(kind::boolean) ? value(v.integer()) : v;
}

/// Python's obj[key] without slices; false where Python raises LookupError or TypeError.
inline bool subscript(meter& m, value const& v, value const& key, value& out) {
  if (v.is(kind::dict)) {
    if (!detail::hashable(key)) return false;
    auto const* found = find(m, v.dict(), key);
    if (found) out = *found;
    return found != nullptr;
  }
  if (!key.is_integral()) return false;
  std::int64_t i = key.integer(), n = 0;
  if (v.is_string()) {
    n = std::int64_t(v.string().length);
    if (i < 0) i += n;
    if (i < 0 || i >= n) return false;
    auto const& s = v.text();
    if (!v.string().ascii) m.step(std::size_t(i) / 16);
    std::size_t at = v.string().ascii ? std::size_t(i) : offset_of(s, std::size_t(i));
    out = value(s.substr(at, width_at(s, at)), v.string().safe);
    return true;
  }
  if (!v.is(kind::sequence) || v.sequence().what > flavor::range) return false;
  n = std::int64_t(v.sequence().items.size());
  if (i < 0) i += n;
  if (i < 0 || i >= n) return false;
  out = v.sequence().items[std::size_t(i)];
  return true;
}

namespace detail {

inline std::optional<std::int64_t> slice_index(value const& v) {
  if (v.is_none()) return {};
  if (v.is_integral()) return v.integer();
  type_error("slice indices must be integers or None or have an __index__ method");
}

}  // namespace detail

/// v[start:stop:step] of strings, lists, tuples and ranges.
inline value slice(meter& m, value const& v, value const& start, value const& stop, value const& stride) {
  if (v.undefined()) undefined_error(v);
  bool text = v.is_string();
  if (!text && !(v.is(kind::sequence) && v.sequence().what <= flavor::range))
    type_error("'" + type_name(v) + "' object cannot be sliced");
  std::int64_t n = std::int64_t(text ? v.string().length : v.sequence().items.size());
  std::int64_t by = detail::slice_index(stride).value_or(1);
  if (by == 0) value_error("slice step cannot be zero");
  std::int64_t low = by < 0 ? -1 : 0, high = by < 0 ? n - 1 : n;
  auto place = [&](value const& given, std::int64_t otherwise) {
    auto i = detail::slice_index(given);
    if (!i) return otherwise;
    return *i < 0 ? std::max(*i < -n ? low : *i + n, low) : std::min(*i, high);
  };
  std::int64_t from = place(start, by < 0 ? high : low), to = place(stop, by < 0 ? low : high);
  if (text && by == 1) {
    auto const& s = v.text();
    if (from >= to) return value(std::string(), v.string().safe);
    m.text(s.size());
    std::size_t a = v.string().ascii ? std::size_t(from) : offset_of(s, std::size_t(from));
    std::size_t b = v.string().ascii ? std::size_t(to) : a + offset_of(std::string_view(s).substr(a), std::size_t(to - from));
    return value(s.substr(a, b - a), v.string().safe);
  }
  values all = text ? collect(m, v) : values();
  values const& items = text ? all : v.sequence().items;
  values out;
  for (std::int64_t i = from; by > 0 ? i < to : i > to;) {
    m.step();
    out.push_back(items[std::size_t(i)]);
    if (by > 0 ? i > n - by : i + by < -1) break;      // the next step would leave the sequence, or overflow
    i += by;
  }
  if (!text) return make_sequence(std::move(out), v.sequence().what == flavor::tuple ? flavor::tuple : flavor::list);
  std::string joined;
  for (auto const& c : out) joined += c.text();
  return value(std::move(joined), v.string().safe);
}

}  // namespace verbatim::jinja
