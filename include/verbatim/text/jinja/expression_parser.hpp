// Expressions of the template language, with jinja2's precedence: conditional, or, and, not, comparisons, + -, ~,
// * / // %, **, unary, then subscripts, calls, filters and tests. Recursion is bounded by source_nesting, the height
// of a tree by chain_limit. Throws error("template", 1).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/jinja/ast.hpp"
#include "verbatim/text/jinja/filters.hpp"
#include "verbatim/text/jinja/parser_base.hpp"
#include "verbatim/text/jinja/tests.hpp"

namespace verbatim::jinja {

class expression_parser : protected parser_base {
 protected:
  using parser_base::parser_base;

  index parse_expression(bool conditional = true) {
    level held(*this);
    std::size_t const unknown = unknown_.size();
    index left = parse_or();
    while (conditional && skip_name("if")) {
      index test = parse_or(), other = -1;
      if (skip_name("else")) other = parse_expression();
      left = make(e::conditional, test, left, other);
      unknown_.resize(unknown);                    // inside a conditional they fail only when they are reached
    }
    return left;
  }
  index parse_or() {
    index left = parse_and();
    while (skip_name("or")) {
      index right = parse_and();
      left = make(e::either, left, right);
    }
    return left;
  }
  index parse_and() {
    index left = parse_not();
    while (skip_name("and")) {
      index right = parse_not();
      left = make(e::both, left, right);
    }
    return left;
  }
  index parse_not() {
    if (!skip_name("not")) return parse_compare();
    level held(*this);
    index inner = parse_not();
    return make(e::negation, inner);
  }
  bool comparison_op(comparison& op) {
    constexpr std::pair<std::string_view, comparison> ops[] = {{"==", comparison::eq}, {"!=", comparison::ne}, {"<", comparison::lt},
                                                               {"<=", comparison::le}, {">", comparison::gt}, {">=", comparison::ge}};
    for (auto const& [text, c] : ops)
      if (skip_op(text)) return op = c, true;
    if (skip_name("in")) return op = comparison::in, true;
    if (is_name("not") && ahead().kind == token_kind::name && ahead().text == "in") {
      take(), take();
      return op = comparison::not_in, true;
    }
    return false;
  }
  index parse_compare() {
    index left = parse_binary(0);
    expression x{e::compare};
    for (comparison op; comparison_op(op);) {
      x.comparisons.push_back(op);
      x.items.push_back(parse_binary(0));
    }
    if (x.items.empty()) return left;
    x.a = left;
    x.line = now().line;
    return add(std::move(x));
  }

  /// Levels: 0 is + and -, 1 is ~, 2 is * / // %, 3 is **.
  bool binary_op(int rank, binary& op) {
    struct entry {
      std::string_view text;
      int rank;
      binary op;
    };
    constexpr entry ops[] = {{"+", 0, binary::add}, {"-", 0, binary::subtract}, {"*", 2, binary::multiply}, {"/", 2, binary::divide},
                             {"//", 2, binary::floor_divide}, {"%", 2, binary::modulo}, {"**", 3, binary::power}};
    if (now().kind != token_kind::op) return false;
    for (auto const& x : ops)
      if (x.rank == rank && skip_op(x.text)) return op = x.op, true;
    return false;
  }
  index parse_binary(int rank) {
    if (rank == 4) return parse_unary(true);
    index left = parse_binary(rank + 1);
    if (rank == 1) {
      if (!is_op("~")) return left;
      expression x{e::concatenation};
      x.items.push_back(left);
      while (skip_op("~")) x.items.push_back(parse_binary(2));
      x.line = now().line;
      return add(std::move(x));
    }
    for (binary op; binary_op(rank, op);) {
      index right = parse_binary(rank + 1);
      left = make(e::arithmetic, left, right);
      node(left).op = op;
    }
    return left;
  }
  index parse_unary(bool with_filters) {
    index x = -1;
    if (is_op("-") || is_op("+")) {
      level held(*this);
      bool minus = take().text == "-";
      index inner = parse_unary(false);
      x = make(minus ? e::minus : e::plus, inner);
    } else {
      x = parse_primary();
    }
    x = parse_postfix(x);
    return with_filters ? parse_filters(x) : x;
  }

  index parse_primary() {
    switch (now().kind) {
      case token_kind::name: return parse_name();
      case token_kind::string: {
        std::string s = take().text;
        while (now().kind == token_kind::string) s += take().text;
        return constant(value(std::move(s)));
      }
      case token_kind::integer: return constant(value(take().integer));
      case token_kind::real: return constant(value(take().real));
      default: break;
    }
    if (is_op("(")) {
      level held(*this);
      take();
      index x = parse_tuple(true, true, true, "");
      expect_op(")");
      return x;
    }
    if (is_op("[")) return parse_list();
    if (is_op("{")) return parse_dict();
    complain("an expression");
  }
  index parse_name() {
    std::string name = take().text;
    if (name == "true" || name == "True") return constant(true);
    if (name == "false" || name == "False") return constant(false);
    if (name == "none" || name == "None") return constant(value::none());
    return variable(name);
  }
  index parse_list() {
    level held(*this);
    expression x{e::list};
    x.line = take().line;
    while (!is_op("]")) {
      if (!x.items.empty()) expect_op(",");
      if (is_op("]")) break;
      x.items.push_back(parse_expression());
    }
    expect_op("]");
    return add(std::move(x));
  }
  index parse_dict() {
    level held(*this);
    expression x{e::dict};
    x.line = take().line;
    while (!is_op("}")) {
      if (!x.items.empty()) expect_op(",");
      if (is_op("}")) break;
      x.items.push_back(parse_expression());
      expect_op(":");
      x.items.push_back(parse_expression());
    }
    expect_op("}");
    return add(std::move(x));
  }

  bool tuple_ends(std::string_view extra) const {
    return now().kind == token_kind::variable_end || now().kind == token_kind::block_end || is_op(")") ||
           (!extra.empty() && is_name(extra));
  }
  /// A tuple without brackets, or the one expression that stands there. `extra`: a name that ends it.
  index parse_tuple(bool full, bool conditional, bool parenthesised, std::string_view extra) {
    expression x{e::tuple};
    bool is_tuple = false;
    for (;;) {
      if (!x.items.empty()) expect_op(",");
      if (tuple_ends(extra)) break;
      x.items.push_back(full ? parse_expression(conditional) : parse_target_part());
      if (!is_op(",")) break;
      is_tuple = true;
    }
    if (!is_tuple && !x.items.empty()) return x.items[0];
    if (!is_tuple && !parenthesised) complain("an expression");
    x.line = now().line;
    return add(std::move(x));
  }
  virtual index parse_target_part() = 0;

  index parse_postfix(index x) {
    for (;;) {
      if (is_op(".") || is_op("[")) x = parse_subscript(x);
      else if (is_op("(")) x = parse_call(x);
      else return x;
    }
  }
  index parse_filters(index x) {
    for (;;) {
      if (skip_op("|")) x = parse_filter(x);
      else if (skip_name("is")) x = parse_test(x);
      else if (is_op("(")) x = parse_call(x);
      else return x;
    }
  }
  index parse_subscript(index object) {
    if (skip_op(".")) {
      token const& t = take();
      if (t.kind == token_kind::name) {
        index x = make(e::attribute, object);
        node(x).text = t.text;
        node(x).constant = value(t.text);
        return x;
      }
      if (t.kind != token_kind::integer) syntax_error(t.line, "expected name or number");
      index key = constant(value(t.integer));
      return make(e::item, object, key);
    }
    level held(*this);
    take();
    expression keys{e::tuple};
    bool sliced = false;
    while (!is_op("]")) {
      if (!keys.items.empty()) expect_op(",");
      keys.items.push_back(parse_key(object, sliced));
    }
    expect_op("]");
    if (sliced && keys.items.size() > 1) syntax_error(now().line, "a slice in a tuple is not supported");
    if (sliced) return keys.items[0];
    index key = keys.items.size() == 1 ? keys.items[0] : add(std::move(keys));
    return make(e::item, object, key);
  }
  /// What stands in [ ]: an expression, or the parts of a slice, which then becomes the whole subscript.
  index parse_key(index object, bool& sliced) {
    index parts[3] = {-1, -1, -1};
    if (!is_op(":")) {
      parts[0] = parse_expression();
      if (!is_op(":")) return parts[0];
    }
    expect_op(":");
    sliced = true;
    auto ends = [&] { return is_op("]") || is_op(","); };
    if (!ends() && !is_op(":")) parts[1] = parse_expression();
    if (skip_op(":") && !ends()) parts[2] = parse_expression();
    expression x{e::slice};
    x.line = now().line;
    x.a = object, x.b = parts[0], x.c = parts[1], x.d = parts[2];
    return add(std::move(x));
  }

  void parse_arguments(expression& x) {
    level held(*this);
    expect_op("(");
    bool comma = false;
    while (!is_op(")")) {
      if (comma) {
        expect_op(",");
        if (is_op(")")) break;
      }
      comma = true;
      parse_argument(x);
    }
    expect_op(")");
  }
  void parse_argument(expression& x) {
    bool plain = x.spread < 0 && x.spread_named < 0;
    if (is_op("*")) {
      if (!plain) complain("no second *arguments");
      take();
      x.spread = parse_expression();
    } else if (is_op("**")) {
      if (x.spread_named >= 0) complain("no second **arguments");
      take();
      x.spread_named = parse_expression();
    } else if (now().kind == token_kind::name && ahead().kind == token_kind::op && ahead().text == "=") {
      if (x.spread_named >= 0) complain("no arguments behind **arguments");
      std::string name = take().text;
      take();
      for (auto const& given : x.named)
        if (given.first == name) syntax_error(now().line, "keyword argument repeated: " + name);
      x.named.emplace_back(std::move(name), parse_expression());
    } else {
      if (!plain || !x.named.empty()) syntax_error(now().line, "invalid syntax for function call expression");
      x.items.push_back(parse_expression());
    }
  }
  index parse_call(index callee) {
    expression x{e::call};
    x.line = now().line;
    x.a = callee;
    parse_arguments(x);
    return add(std::move(x));
  }
  std::string dotted_name() {
    std::string name = expect_name().text;
    while (skip_op(".")) name += "." + expect_name().text;
    return name;
  }
  index parse_filter(index subject) {
    expression x{e::filtered};
    x.line = now().line;
    x.a = subject;
    x.text = dotted_name();
    x.apply = find_filter(x.text);
    if (is_op("(")) parse_arguments(x);
    if (!x.apply) unknown_.push_back("no filter named '" + x.text + "'");
    return add(std::move(x));
  }
  bool test_argument_follows() const {
    if (now().kind == token_kind::name) return !is_name("else") && !is_name("or") && !is_name("and");
    if (now().kind == token_kind::op) return is_op("[") || is_op("{");
    return now().kind == token_kind::string || now().kind == token_kind::integer || now().kind == token_kind::real;
  }
  index parse_test(index subject) {
    bool negated = skip_name("not");
    expression x{e::tested};
    x.line = now().line;
    x.a = subject;
    x.text = dotted_name();
    x.check = find_test(x.text);
    if (!x.check) unknown_.push_back("no test named '" + x.text + "'");
    if (is_op("(")) {
      parse_arguments(x);
    } else if (test_argument_follows()) {
      if (is_name("is")) syntax_error(now().line, "You cannot chain multiple tests with is");
      index argument = parse_primary();
      x.items.push_back(parse_postfix(argument));
    }
    index tested = add(std::move(x));
    return negated ? make(e::negation, tested) : tested;
  }
};

}  // namespace verbatim::jinja
