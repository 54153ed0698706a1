// The `%` operator of strings: printf-style formatting with positional or named values.
#pragma once
#include <string>

#include "verbatim/text/jinja/compare.hpp"
#include "verbatim/text/jinja/format.hpp"

namespace verbatim::jinja {

namespace detail {

class printf_formatter {
 public:
  printf_formatter(meter& m, string_object const& shape, value const& given)
      : meter_(m), s_(shape.s), safe_(shape.safe), given_(given), tuple_(given.is_sequence(flavor::tuple)) {}

  std::string run() {
    while (at_ < s_.size()) {
      std::size_t next = std::min(s_.find('%', at_), s_.size());
      put(s_.substr(at_, next - at_));
      at_ = next + 1;
      if (next < s_.size()) field();
    }
    bool mapping = given_.is(kind::dict) || given_.undefined() || given_.is_sequence(flavor::list);
    std::size_t count = tuple_ ? given_.sequence().items.size() : mapping ? 0 : 1;
    if (used_ < count && !named_) type_error("not all arguments converted during string formatting");
    return std::move(out_);
  }

 private:
  void put(std::string_view s) {
    meter_.text(out_.size() + s.size());
    out_ += s;
  }
  char peek() const {
    if (at_ >= s_.size()) value_error("incomplete format");
    return s_[at_];
  }
  value next() {
    if (tuple_) {
      if (used_ >= given_.sequence().items.size()) type_error("not enough arguments for format string");
      return given_.sequence().items[used_++];
    }
    if (used_++ > 0) type_error("not enough arguments for format string");
    return given_;
  }
  value named() {
    int open = 1;
    std::size_t from = ++at_;
    for (; open > 0; ++at_) {
      if (at_ >= s_.size()) value_error("incomplete format key");
      open += s_[at_] == '(' ? 1 : s_[at_] == ')' ? -1 : 0;
    }
    if (!given_.is(kind::dict)) type_error("format requires a mapping");
    named_ = true;
    value const* v = given_.dict().find(s_.substr(from, at_ - 1 - from));
    if (!v) fail("KeyError", s_.substr(from, at_ - 1 - from));
    return *v;
  }
  std::size_t count() {
    if (peek() != '*') return read_count(s_, at_, "width");
    ++at_;
    value v = next();
    if (!v.is_integral()) type_error("* wants int");
    if (v.integer() < 0 || v.integer() > 1'000'000) value_error("width out of range");
    return std::size_t(v.integer());
  }
  void field() {
    std::optional<value> v;
    format_spec f;
    f.align = '>';
    if (peek() == '(') v = named();
    for (;; ++at_) {
      char c = peek();
      if (c == '-') f.align = '<';
      else if (c == '0' && f.align != '<') f.fill = "0", f.align = '=';
      else if (c == '+' || (c == ' ' && f.sign != '+')) f.sign = c;
      else if (c == '#') f.alternate = true;
      else if (c != '0' && c != ' ') break;
    }
    if (f.align == '<') f.fill = " ";
    f.width = count();
    if (peek() == '.') {
      ++at_;
      f.precision = int(count());
    }
    while (peek() == 'l' || peek() == 'h' || peek() == 'L') ++at_;
    f.type = s_[at_++];
    if (f.type == '%') return put("%");
    put(convert(v ? *v : next(), f));
  }
  std::string convert(value const& v, format_spec f) {
    std::string_view types = "srad iuoxXeEfFgGc";
    if (types.find(f.type) == types.npos || f.type == ' ')
      value_error(std::string("unsupported format character '") + f.type + "'");
    if (f.type == 's' || f.type == 'r' || f.type == 'a' || (f.type == 'c' && v.is_string())) return text(v, f);
    bool real = std::string_view("eEfFgG").find(f.type) != std::string_view::npos;
    if (v.undefined()) undefined_error(v);
    if (!v.is_number() || (!real && f.type != 'd' && f.type != 'i' && f.type != 'u' && !v.is_integral()))
      type_error(std::string("%") + f.type + " format: a number is required, not " + type_name(v));
    if (real) {
      meter_.text(std::size_t(f.precision.value_or(0)) + 400);
      return format_real(meter_, v.real(), f);
    }
    if (v.is(kind::real) && !(std::fabs(v.real()) < 9.2e18)) fail("OverflowError", "an integer beyond 64 bits");
    std::int64_t i = v.is(kind::real) ? std::int64_t(v.real()) : v.integer();
    if (f.type == 'i' || f.type == 'u') f.type = 'd';
    if (f.type == 'c' && (i < 0 || i > 0x10FFFF)) fail("OverflowError", "%c arg not in range(0x110000)");
    if (!f.precision || f.type == 'c') return format_integer(meter_, i, f);
    format_spec digits = f;                        // a precision asks for that many digits
    digits.align = '=', digits.fill = "0", digits.sign = f.sign;
    digits.width = std::size_t(*f.precision) + (i < 0 || f.sign != '-') + (f.alternate && f.type != 'd' ? 2 : 0);
    return pad(meter_, format_integer(meter_, i, digits), f, '>', 0);
  }
  std::string text(value const& v, format_spec f) {
    std::string body = f.type == 's' || f.type == 'c' ? to_str(meter_, v) : to_repr(meter_, v);
    if (f.type == 'c' && count_points(body) != 1) type_error("%c requires int or char");
    if (safe_ && !(v.is_string() && v.string().safe)) body = escape_html(body);
    if (f.precision) body.resize(offset_of(body, std::size_t(*f.precision)));
    f.fill = " ";
    if (f.align == '=') f.align = '>';
    return pad(meter_, body, f, '>', 0);
  }

  meter& meter_;
  std::string const& s_;
  bool safe_;
  value const& given_;
  bool tuple_, named_ = false;
  std::size_t at_ = 0, used_ = 0;
  std::string out_;
};

}  // namespace detail

/// shape % given
inline value printf_format(meter& m, value const& shape, value const& given) {
  return value(detail::printf_formatter(m, shape.string(), given).run(), shape.string().safe);
}

}  // namespace verbatim::jinja
