// Execution of statements, macros and loops: members of `interpreter`.
#pragma once
#include "verbatim/text/jinja/interpreter.hpp"

namespace verbatim::jinja {

inline flow interpreter::execute(block const& b) {
  meter::level held(budget);
  for (index i : b)
    if (flow f = execute(tree_.statements[std::size_t(i)]); f != flow::normal) return f;
  return flow::normal;
}

inline flow interpreter::execute(statement const& s) {
  budget.step();
  if (s.line) line = s.line;
  switch (s.kind) {
    case statement_kind::text: write(s.text); break;
    case statement_kind::print:
      for (index i : s.expressions) show(evaluate(i));
      break;
    case statement_kind::branch: return branch(s);
    case statement_kind::loop: return loop(s, evaluate(s.from), scope_, 0);
    case statement_kind::assign: assign(s.target, evaluate(s.from)); break;
    case statement_kind::assign_block: return assign_block(s);
    case statement_kind::macro: store(s.name, make_macro(s)); break;
    case statement_kind::call_block: call_block(s); break;
    case statement_kind::filter_block: return filter_block(s);
    case statement_kind::with: return with(s);
    case statement_kind::leave: return flow::leave;
    case statement_kind::next: return flow::next;
    case statement_kind::generation: generation(s); break;
    case statement_kind::isolated: return isolated(s);
    case statement_kind::unavailable: type_error("'" + s.text + "': there is no loader for other templates");
  }
  return flow::normal;
}

inline flow interpreter::branch(statement const& s) {
  for (auto const& [condition, body] : s.branches)
    if (truthy(evaluate(condition))) return execute(body);
  return execute(s.otherwise);
}

inline void interpreter::assign(index target, value v) {
  expression const& t = node(target);
  if (t.kind == e::name) return store(t.name, std::move(v));
  if (t.kind == e::assign_attribute) {
    value space = load(t.name);
    auto* n = space.is(kind::native) ? dynamic_cast<namespace_object*>(&space.native()) : nullptr;
    if (!n) fail("TemplateRuntimeError", "cannot assign attribute on non-namespace object");
    return n->assign(*this, t.text, std::move(v));
  }
  if (v.is_none() || v.is_number() || v.is(kind::native)) type_error("cannot unpack non-iterable " + type_name(v) + " object");
  cursor c(budget, std::move(v));
  values parts;
  for (value item; parts.size() <= t.items.size() && c.next(item);) parts.push_back(std::move(item));
  if (parts.size() != t.items.size())
    value_error(parts.size() > t.items.size() ? "too many values to unpack" : "not enough values to unpack");
  for (std::size_t i = 0; i < parts.size(); ++i) assign(t.items[i], std::move(parts[i]));
}

inline std::function<bool(value&)> interpreter::drawn(statement const& s, value iterable, scope* around) {
  auto source = std::make_shared<cursor>(budget, std::move(iterable));
  if (s.condition < 0) return [source](value& v) { return source->next(v); };
  return [this, source, around, &s](value& v) {
    while (source->next(v)) {
      inner held(*this, around);
      assign(s.target, v);
      if (truthy(evaluate(s.condition))) return true;
    }
    return false;
  };
}

inline flow interpreter::loop(statement const& s, value iterable, scope* around, int level) {
  auto* state = new loop_object;
  value self(kind::native, state);
  nest(*state, iterable);
  state->draw = drawn(s, std::move(iterable), around);
  state->level = level;
  if (s.recursive)
    state->recurse = [this, &s, around, level](value deeper) {
      meter::level held(budget);
      return value(captured([&] { loop(s, std::move(deeper), around, level + 1); }));
    };
  bool finished = false;                           // whether a body ran to its end: jinja2 decides on `else` by that
  flow f = flow::normal;
  {
    struct restore {
      scope*& slot;
      scope* old;
      ~restore() { slot = old; }
    } held{scope_, scope_};
    scope_ = around;
    f = iterate(s, *state, self, finished);
    if (f == flow::normal && !finished) {
      inner otherwise(*this);
      f = execute(s.otherwise);
    }
  }
  state->draw = nullptr;                           // they refer to this rendering's scopes
  state->recurse = nullptr;
  state->drained = true;
  return f;
}

inline flow interpreter::iterate(statement const& s, loop_object& state, value const& self, bool& finished) {
  static std::string const name = "loop";
  auto at = s.uses_loop ? tree_.ids.find(name) : tree_.ids.end();
  while (state.next()) {
    budget.step();
    inner held(*this);
    if (at != tree_.ids.end()) scope_->set(at->second, self);
    assign(s.target, state.current);
    flow f = execute(s.body);
    if (f == flow::normal) finished = true;
    if (f == flow::leave) break;
  }
  return flow::normal;
}

inline flow interpreter::assign_block(statement const& s) {
  flow f = flow::normal;
  value v;
  {
    inner held(*this);
    std::string text = captured([&] { f = execute(s.body); });
    if (f != flow::normal) return f;
    v = piped(s.from, value(std::move(text)));
  }
  assign(s.target, std::move(v));
  return f;
}

inline flow interpreter::filter_block(statement const& s) {
  inner held(*this);
  flow f = flow::normal;
  std::string text = captured([&] { f = execute(s.body); });
  if (f == flow::normal) show(piped(s.from, value(std::move(text))));
  return f;
}

/// Sends v through the filters of a block, the innermost first.
inline value interpreter::piped(index filters, value v) {
  if (filters < 0) return v;
  meter::level held(budget);
  expression const& x = node(filters);
  return apply_filter(x, piped(x.a, std::move(v)));
}

inline flow interpreter::with(statement const& s) {
  values v;
  for (std::size_t i = 1; i < s.expressions.size(); i += 2) v.push_back(evaluate(s.expressions[i]));
  inner held(*this);
  for (std::size_t i = 0; i < v.size(); ++i) assign(s.expressions[2 * i], std::move(v[i]));
  return execute(s.body);
}

inline flow interpreter::isolated(statement const& s) {
  if (s.from >= 0 && truthy(evaluate(s.from))) fail("TemplateRuntimeError", "autoescape is not supported");
  inner held(*this, s.recursive ? scope_ : nullptr);
  return execute(s.body);
}

inline value interpreter::make_macro(statement const& s) {
  capture();
  auto* m = new macro_object;
  m->owner = this;
  m->source = &s;
  m->around = scope_;
  return value(kind::native, m);
}

inline void interpreter::call_block(statement const& s) {
  value caller = make_macro(s);
  show(call(node(s.from), &caller));
}

inline void interpreter::generation(statement const& s) {
  std::string text = captured([&] {
    inner held(*this);
    execute(s.body);
  });
  generated.push_back({root_.size(), root_.size() + text.size()});
  write(text);
}

inline value interpreter::call_macro(statement const& s, scope* around, arguments& a) {
  meter::level held(budget);
  int const line_before = line;
  inner own(*this, around);
  bind_parameters(s, a);
  std::string text = captured([&] { execute(s.body); });
  line = line_before;
  return value(std::move(text));
}

inline void interpreter::bind_parameters(statement const& s, arguments& a) {
  signature const& c = s.call;
  std::string const who = "macro '" + c.name + "' ";
  auto take = [&](std::string const& name, value& out) {
    for (auto at = a.named.begin(); at != a.named.end(); ++at)
      if (at->first == name) {
        out = std::move(at->second);
        a.named.erase(at);
        return true;
      }
    return false;
  };
  std::size_t const n = c.parameters.size(), plain = n - c.defaults.size();
  std::vector<bool> given(n);
  for (std::size_t i = 0; i < n; ++i) {
    std::string const& name = tree_.names[std::size_t(c.parameters[i])];
    value v = value::missing(name);
    given[i] = i < a.positional.size() || take(name, v);
    scope_->set(c.parameters[i], i < a.positional.size() ? a.positional[i] : std::move(v));
  }
  for (std::size_t i = plain; i < n; ++i)
    if (!given[i]) scope_->set(c.parameters[i], evaluate(c.defaults[i - plain]));
  if (c.caller) {
    value caller = value::missing("caller");
    take("caller", caller);
    scope_->set(tree_.ids.at("caller"), std::move(caller));
  }
  if (c.keywords) {
    pairs rest;
    for (auto& [name, v] : a.named) rest.emplace_back(value(name), std::move(v));
    scope_->set(tree_.ids.at("kwargs"), make_dict(std::move(rest)));
  } else if (!a.named.empty()) {
    type_error(who + "takes no keyword argument '" + a.named.front().first + "'");
  }
  if (!c.rest && a.positional.size() > n) type_error(who + "takes not more than " + std::to_string(n) + " argument(s)");
  if (c.rest) {
    values rest;
    for (std::size_t i = n; i < a.positional.size(); ++i) rest.push_back(a.positional[i]);
    scope_->set(tree_.ids.at("varargs"), make_tuple(std::move(rest)));
  }
}

}  // namespace verbatim::jinja
