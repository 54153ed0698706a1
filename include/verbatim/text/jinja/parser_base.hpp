// What the two parsers stand on: the tokens, the tree that grows, and the bounds on its depth.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/jinja/ast.hpp"
#include "verbatim/text/jinja/lexer.hpp"

namespace verbatim::jinja {

class parser_base {
 protected:
  using e = expression_kind;
  explicit parser_base(std::vector<token> tokens) : tokens_(std::move(tokens)) {}

  token const& now() const { return tokens_[at_]; }
  token const& ahead(std::size_t n = 1) const { return tokens_[std::min(at_ + n, tokens_.size() - 1)]; }
  token const& take() {
    token const& t = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return t;
  }
  bool is_op(std::string_view op) const { return now().kind == token_kind::op && now().text == op; }
  bool is_name(std::string_view name) const { return now().kind == token_kind::name && now().text == name; }
  bool skip_op(std::string_view op) { return is_op(op) && (take(), true); }
  bool skip_name(std::string_view name) { return is_name(name) && (take(), true); }
  void expect_op(std::string_view op) {
    if (!skip_op(op)) complain("'" + std::string(op) + "'");
  }
  token const& expect_name() {
    if (now().kind != token_kind::name) complain("a name");
    return take();
  }
  void expect(token_kind k, std::string_view what) {
    if (now().kind != k) complain(what);
    take();
  }
  [[noreturn]] void complain(std::string_view wanted) const {
    syntax_error(now().line, "expected " + std::string(wanted) + ", got " + described(now()));
  }
  static std::string described(token const& t) {
    switch (t.kind) {
      case token_kind::end: return "the end of the template";
      case token_kind::variable_end: return "the end of a print statement";
      case token_kind::block_end: return "the end of a statement block";
      case token_kind::name:
      case token_kind::op: return "'" + t.text.substr(0, 60) + "'";
      default: return "something else";
    }
  }

  /// Holds one level of recursion of the parser.
  struct level {
    parser_base& p;
    explicit level(parser_base& parser) : p(parser) {
      if (++p.depth_ > source_nesting) syntax_error(p.now().line, "nested too deeply");
    }
    ~level() { --p.depth_; }
  };

  index make(e kind, index a = -1, index b = -1, index c = -1) {
    expression x{kind};
    x.line = now().line;
    x.a = a, x.b = b, x.c = c;
    return add(std::move(x));
  }
  index add(expression x) {
    for (index i : {x.a, x.b, x.c, x.d, x.spread, x.spread_named}) raise(x, i);
    for (index i : x.items) raise(x, i);
    for (auto const& [name, i] : x.named) raise(x, i);
    if (x.height > chain_limit) syntax_error(now().line, "an expression is nested too deeply");
    tree_.expressions.push_back(std::move(x));
    return index(tree_.expressions.size()) - 1;
  }
  void raise(expression& x, index i) const {
    if (i >= 0) x.height = std::max(x.height, node(i).height + 1);
  }
  expression& node(index i) { return tree_.expressions[std::size_t(i)]; }
  expression const& node(index i) const { return tree_.expressions[std::size_t(i)]; }
  index constant(value v) {
    index i = make(e::constant);
    node(i).constant = std::move(v);
    return i;
  }
  index variable(std::string const& name) {
    index i = make(e::name);
    node(i).name = tree_.id(name);
    loaded_.push_back(node(i).name);
    return i;
  }

  syntax_tree tree_;
  std::vector<token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::vector<int> loaded_;                        // names in the order they are read
  std::vector<std::string> unknown_;               // filters and tests that do not exist, in the frame being parsed
};

}  // namespace verbatim::jinja
