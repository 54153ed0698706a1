// Runs a syntax tree over a context. One interpreter per rendering; the tree is shared and constant.
// Scopes: jinja2's – loops, macros, call, filter, set and with blocks have their own, `if` has none; a macro sees the
// variables of the place of its definition as they are when it runs. Recursion is bounded by limits::depth.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "verbatim/text/jinja/rendering.hpp"
#include "verbatim/text/jinja/ast.hpp"
#include "verbatim/text/jinja/loop.hpp"
#include "verbatim/text/jinja/members.hpp"

namespace verbatim::jinja {

/// Variables of a block. Scopes that a macro was defined in stay alive until the rendering ends.
struct scope {
  scope* parent = nullptr;
  std::vector<std::pair<int, value>> variables;
  bool captured = false;

  value* find(int name) {
    for (auto& [id, v] : variables)
      if (id == name) return &v;
    return nullptr;
  }
  void set(int name, value v) {
    if (value* old = find(name)) *old = std::move(v);
    else variables.emplace_back(name, std::move(v));
  }
};

enum class flow : std::uint8_t { normal, leave, next };

class interpreter : public runtime {
 public:
  interpreter(syntax_tree const& tree, limits l, std::tm now_) : runtime(l, now_), tree_(tree), globals_(tree.names.size()), known_(tree.names.size()) {}
  ~interpreter() {
    for (auto& s : kept_) s->variables.clear();
  }

  void define(int name, value v) {
    globals_[std::size_t(name)] = std::move(v);
    known_[std::size_t(name)] = true;
  }
  bool defined(int name) const { return known_[std::size_t(name)]; }
  std::string run() {
    execute(tree_.root);
    return std::move(root_);
  }
  std::vector<span> generated;                     // what {% generation %} blocks wrote
  int line = 0;                                    // of the statement that runs

 private:
  friend struct macro_object;
  using e = expression_kind;

  // ---- variables
  value load(int name) {
    for (scope* s = scope_; s; s = s->parent)
      if (value* v = s->find(name)) return *v;
    if (known_[std::size_t(name)]) return globals_[std::size_t(name)];
    return value::missing(tree_.names[std::size_t(name)]);
  }
  void store(int name, value v) {
    if (scope_) scope_->set(name, std::move(v));
    else define(name, std::move(v));
  }

  /// A scope for the time of a block.
  class inner {
   public:
    inner(interpreter& i, scope* parent) : i_(i), outer_(i.scope_), own_(std::make_unique<scope>()) {
      own_->parent = parent;
      i_.scope_ = own_.get();
    }
    explicit inner(interpreter& i) : inner(i, i.scope_) {}
    ~inner() {
      i_.scope_ = outer_;
      if (own_->captured) i_.kept_.push_back(std::move(own_));
    }
    inner(inner const&) = delete;

   private:
    interpreter& i_;
    scope* outer_;
    std::unique_ptr<scope> own_;
  };
  void capture() {
    for (scope* s = scope_; s && !s->captured; s = s->parent) s->captured = true;
  }

  // ---- output
  void write(std::string_view s) {
    budget.text(out_->size() + s.size() > budget.text_limit() ? budget.text_limit() + 1 : s.size());
    *out_ += s;
  }
  void show(value const& v) {
    if (v.is_string()) return write(v.text());
    if (!v.undefined()) write(to_str(budget, v));
  }
  /// Runs `body` with its output in a string of its own.
  template <class Body>
  std::string captured(Body body) {
    struct redirect {
      std::string*& slot;
      std::string* old;
      ~redirect() { slot = old; }
    };
    std::string own;
    redirect held{out_, out_};
    out_ = &own;
    body();
    return own;
  }

  // ---- statements, in execute.hpp
  flow execute(block const& b);
  flow execute(statement const& s);
  flow branch(statement const& s);
  flow loop(statement const& s, value iterable, scope* around, int level);
  flow iterate(statement const& s, loop_object& state, value const& self, bool& finished);
  std::function<bool(value&)> drawn(statement const& s, value iterable, scope* around);
  flow assign_block(statement const& s);
  flow filter_block(statement const& s);
  flow with(statement const& s);
  flow isolated(statement const& s);
  void call_block(statement const& s);
  void generation(statement const& s);
  void assign(index target, value v);
  value piped(index filters, value v);
  value make_macro(statement const& s);
  value call_macro(statement const& s, scope* around, arguments& a);
  void bind_parameters(statement const& s, arguments& a);

  // ---- expressions, in evaluate.hpp
  value evaluate(index i);
  value evaluate(expression const& x);
  value compare(expression const& x);
  bool holds(comparison op, value const& a, value const& b);
  value concatenate(expression const& x);
  value make_dict_of(expression const& x);
  value call(expression const& x, value const* caller);
  value apply_filter(expression const& x, value const& subject);
  value items_of(expression const& x, flavor f);
  void fill(arguments& a, expression const& x);

  expression const& node(index i) const { return tree_.expressions[std::size_t(i)]; }

  syntax_tree const& tree_;
  values globals_;                                 // template-level variables, the context, and jinja's globals
  std::vector<bool> known_;
  std::vector<std::unique_ptr<scope>> kept_;
  scope* scope_ = nullptr;
  std::string root_;
  std::string* out_ = &root_;
};

/// A macro, or the `caller` of a call block.
struct macro_object : native_object {
  interpreter* owner;
  statement const* source;
  scope* around;

  char const* type() const override { return "Macro"; }
  bool callable() const override { return true; }
  std::string shown() const override { return "<Macro '" + source->call.name + "'>"; }
  bool attribute(runtime&, std::string_view name, value& out) override {
    if (name == "name") return out = value(source->call.name), true;
    if (name == "arguments") {
      values names;
      for (int id : source->call.parameters) names.push_back(value(owner->tree_.names[std::size_t(id)]));
      return out = make_tuple(std::move(names)), true;
    }
    if (name == "caller" || name == "catch_kwargs" || name == "catch_varargs") {
      auto const& c = source->call;
      return out = name == "caller" ? c.caller : name == "catch_kwargs" ? c.keywords : c.rest, true;
    }
    return false;
  }
  value call(runtime&, arguments& a) override { return owner->call_macro(*source, around, a); }
};

}  // namespace verbatim::jinja

#include "verbatim/text/jinja/evaluate.hpp"
#include "verbatim/text/jinja/execute.hpp"
