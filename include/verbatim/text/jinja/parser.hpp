// Statements of the template language: for, if, set, macro, call, filter, with, break, continue, generation, block,
// autoescape (off), print. Linear time; recursion bounded by source_nesting. Throws error("template", 1).
#pragma once
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "verbatim/text/jinja/expression_parser.hpp"

namespace verbatim::jinja {

class parser : expression_parser {
 public:
  explicit parser(std::string_view source) : expression_parser(lexer(normalize_newlines(source)).run()) {}

  syntax_tree run() {
    tree_.root = parse_body({});
    refuse_unknown(0);
    return std::move(tree_);
  }

 private:
  using s = statement_kind;
  using names = std::initializer_list<std::string_view>;

  index add(statement x) {
    tree_.statements.push_back(std::move(x));
    return index(tree_.statements.size()) - 1;
  }
  void refuse_unknown(std::size_t from) {
    if (unknown_.size() > from) syntax_error(now().line, unknown_.back());
  }

  bool at_tag(names tags) const {
    for (auto const& t : tags)
      if (is_name(t)) return true;
    return false;
  }
  /// Statements up to a tag of `ends` (its name is then the current token), or to the end of the template.
  block parse_body(names ends) {
    level held(*this);
    block out;
    for (;;) {
      switch (now().kind) {
        case token_kind::end:
          if (ends.size()) complain("'" + std::string(*(ends.end() - 1)) + "'");
          return out;
        case token_kind::data: {
          statement x{s::text};
          x.text = take().text;
          out.push_back(add(std::move(x)));
          break;
        }
        case token_kind::variable_begin: {
          statement x{s::print};
          x.line = take().line;
          x.expressions.push_back(parse_tuple(true, true, false, ""));
          expect(token_kind::variable_end, "the end of a print statement");
          out.push_back(add(std::move(x)));
          break;
        }
        default:
          take();                                  // block_begin
          if (at_tag(ends)) return out;
          out.push_back(parse_statement());
          expect(token_kind::block_end, "the end of a statement block");
      }
    }
  }
  /// The body of a statement whose tag has been read: behind an optional colon and the end of the tag.
  block parse_block(names ends) {
    skip_op(":");
    expect(token_kind::block_end, "the end of a statement block");
    return parse_body(ends);
  }
  block parse_last_block(std::string_view end) {
    block b = parse_block({end});
    take();
    return b;
  }

  index parse_statement() {
    int line = now().line;
    std::string tag = expect_name().text;
    index i = dispatch(tag, line);
    tree_.statements[std::size_t(i)].line = line;
    return i;
  }
  index dispatch(std::string const& tag, int line) {
    if (tag == "if") return parse_if();
    if (tag == "for") return parse_for();
    if (tag == "set") return parse_set();
    if (tag == "macro") return parse_macro();
    if (tag == "call") return parse_call_block();
    if (tag == "filter") return parse_filter_block();
    if (tag == "with") return parse_with();
    if (tag == "print") return parse_print();
    if (tag == "generation") return parse_generation();
    if (tag == "block") return parse_isolated();
    if (tag == "autoescape") return parse_autoescape();
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) syntax_error(line, "'" + tag + "' outside a loop");
      return add(statement{tag == "break" ? s::leave : s::next});
    }
    if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") return parse_unavailable(tag);
    syntax_error(line, "Encountered unknown tag '" + tag.substr(0, 60) + "'");
  }

  index parse_if() {
    std::size_t const unknown = unknown_.size();
    statement x{s::branch};
    for (bool more = true; more;) {
      index test = parse_tuple(true, false, false, "");
      x.branches.emplace_back(test, parse_block({"elif", "else", "endif"}));
      std::string tag = take().text;
      more = tag == "elif";
      if (tag == "else") x.otherwise = parse_last_block("endif");
    }
    unknown_.resize(unknown);
    return add(std::move(x));
  }

  /// Runs `parse` as a frame of its own: unknown filters in it fail here, even inside an `if`.
  template <class Parse>
  void frame(bool function, Parse parse) {
    std::size_t const unknown = unknown_.size();
    int const loops = loops_;
    if (function) loops_ = 0;
    parse();
    loops_ = loops;
    refuse_unknown(unknown);
  }
  bool loads(std::size_t from, std::string const& name) {
    int id = tree_.id(name);
    return std::find(loaded_.begin() + std::ptrdiff_t(from), loaded_.end(), id) != loaded_.end();
  }

  index parse_for() {
    statement x{s::loop};
    x.target = parse_target("in");
    if (!skip_name("in")) complain("'in'");
    x.from = parse_tuple(true, false, false, "recursive");
    frame(false, [&] {
      if (skip_name("if")) x.condition = parse_expression();
      x.recursive = skip_name("recursive");
      std::size_t loaded = loaded_.size();
      ++loops_;
      x.body = parse_block({"endfor", "else"});
      --loops_;
      x.uses_loop = x.recursive || loads(loaded, "loop");
      if (take().text == "else") x.otherwise = parse_last_block("endfor");
    });
    return add(std::move(x));
  }

  index parse_target_part() override {
    if (now().kind != token_kind::name) {
      if (!is_op("(")) syntax_error(now().line, "can't assign to this");
      level held(*this);
      take();
      expression x{e::tuple};
      while (!is_op(")")) {
        if (!x.items.empty()) expect_op(",");
        if (is_op(")")) break;
        x.items.push_back(parse_target_part());
      }
      bool single = x.items.size() == 1 && !(tokens_[at_ - 1].kind == token_kind::op && tokens_[at_ - 1].text == ",");
      expect_op(")");
      return single ? x.items[0] : expression_parser::add(std::move(x));
    }
    int line = now().line;
    std::string name = take().text;
    if (loops_ > 0 && name == "loop") syntax_error(line, "can't assign to the loop variable in a for-loop");
    if (in_set_ && skip_op(".")) {
      index x = make(e::assign_attribute);
      node(x).name = tree_.id(name);
      node(x).text = expect_name().text;
      return x;
    }
    for (std::string_view constant : {"true", "True", "false", "False", "none", "None"})
      if (name == constant) syntax_error(line, "can't assign to '" + name + "'");
    index x = make(e::name);
    node(x).name = tree_.id(name);
    return x;
  }
  index parse_target(std::string_view end) { return parse_tuple(false, false, false, end); }

  index parse_set() {
    in_set_ = true;
    index target = parse_target("");
    in_set_ = false;
    if (skip_op("=")) {
      statement x{s::assign};
      x.target = target;
      x.from = parse_tuple(true, true, false, "");
      return add(std::move(x));
    }
    statement x{s::assign_block};
    x.target = target;
    frame(false, [&] {
      x.from = piped(-1);
      x.body = parse_last_block("endset");
    });
    return add(std::move(x));
  }
  /// Filters that follow; the subject is filled in when the statement runs.
  index piped(index subject) {
    index x = subject;
    while (is_op("|")) {
      take();
      x = parse_filter(x);
    }
    return x;
  }

  signature parse_signature() {
    signature out;
    expect_op("(");
    while (!is_op(")")) {
      if (!out.parameters.empty()) expect_op(",");
      std::string name = expect_name().text;
      for (std::string_view constant : {"true", "True", "false", "False", "none", "None"})
        if (name == constant) syntax_error(now().line, "can't assign to '" + name + "'");
      int id = tree_.id(name);
      if (std::find(out.parameters.begin(), out.parameters.end(), id) != out.parameters.end())
        syntax_error(now().line, "duplicate argument '" + name + "'");
      out.parameters.push_back(id);
      if (skip_op("=")) out.defaults.push_back(parse_expression());
      else if (!out.defaults.empty()) syntax_error(now().line, "non-default argument follows default argument");
    }
    expect_op(")");
    return out;
  }
  void parse_function(signature& call, block& body, std::string_view end) {
    frame(true, [&] {
      std::size_t loaded = loaded_.size();
      body = parse_last_block(end);
      auto free = [&](std::string const& special) {
        int id = tree_.id(special);
        return loads(loaded, special) && std::find(call.parameters.begin(), call.parameters.end(), id) == call.parameters.end();
      };
      call.caller = free("caller");
      call.keywords = free("kwargs");
      call.rest = free("varargs");
    });
  }
  index parse_macro() {
    statement x{s::macro};
    std::string name = expect_name().text;
    x.name = tree_.id(name);
    x.call = parse_signature();
    x.call.name = name;
    parse_function(x.call, x.body, "endmacro");
    return add(std::move(x));
  }
  index parse_call_block() {
    statement x{s::call_block};
    int line = now().line;
    if (is_op("(")) x.call = parse_signature();
    x.call.name = "caller";
    x.from = parse_expression();
    if (node(x.from).kind != e::call) syntax_error(line, "expected call");
    parse_function(x.call, x.body, "endcall");
    return add(std::move(x));
  }
  index parse_filter_block() {
    statement x{s::filter_block};
    frame(false, [&] {
      x.from = piped(parse_filter(-1));
      x.body = parse_last_block("endfilter");
    });
    return add(std::move(x));
  }
  index parse_with() {
    statement x{s::with};
    while (now().kind != token_kind::block_end) {
      if (!x.expressions.empty()) expect_op(",");
      x.expressions.push_back(parse_target(""));
      expect_op("=");
      x.expressions.push_back(parse_expression());
    }
    frame(false, [&] { x.body = parse_last_block("endwith"); });
    return add(std::move(x));
  }
  index parse_print() {
    statement x{s::print};
    while (now().kind != token_kind::block_end) {
      if (!x.expressions.empty()) expect_op(",");
      x.expressions.push_back(parse_expression());
    }
    return add(std::move(x));
  }
  index parse_generation() {
    statement x{s::generation};
    expect(token_kind::block_end, "the end of a statement block");
    frame(true, [&] {
      x.body = parse_body({"endgeneration"});
      take();
    });
    return add(std::move(x));
  }
  index parse_isolated() {
    statement x{s::isolated};
    std::string name = expect_name().text;
    if (!blocks_.insert(name).second) syntax_error(now().line, "block '" + name + "' defined twice");
    x.recursive = skip_name("scoped");             // sees the variables around it
    skip_name("required");
    frame(true, [&] { x.body = parse_last_block("endblock"); });
    skip_name(name);
    return add(std::move(x));
  }
  index parse_autoescape() {
    statement x{s::isolated};
    x.from = parse_expression();
    x.recursive = true;
    frame(false, [&] { x.body = parse_last_block("endautoescape"); });
    return add(std::move(x));
  }
  /// Tags that need other templates: there is no loader, so they fail when they are reached.
  index parse_unavailable(std::string const& tag) {
    statement x{s::unavailable};
    x.text = tag;
    while (now().kind != token_kind::block_end && now().kind != token_kind::end) take();
    return add(std::move(x));
  }

  int loops_ = 0;
  bool in_set_ = false;
  std::set<std::string> blocks_;
};

inline syntax_tree parse(std::string_view source) { return parser(source).run(); }

}  // namespace verbatim::jinja
