// Evaluation of expressions: members of `interpreter`.
#pragma once
#include "verbatim/text/jinja/interpreter.hpp"

namespace verbatim::jinja {

inline value interpreter::evaluate(index i) {
  expression const& x = node(i);
  budget.step();
  if (x.kind == e::constant) return x.constant;
  if (x.kind == e::name) return load(x.name);
  meter::level held(budget);
  return evaluate(x);
}

inline value interpreter::evaluate(expression const& x) {
  switch (x.kind) {
    case e::tuple: return items_of(x, flavor::tuple);
    case e::list: return items_of(x, flavor::list);
    case e::dict: return make_dict_of(x);
    case e::conditional:
      if (truthy(evaluate(x.a))) return evaluate(x.b);
      return x.c < 0 ? value::missing("the inline if-expression without else") : evaluate(x.c);
    case e::both: {
      value left = evaluate(x.a);
      return truthy(left) ? evaluate(x.b) : left;
    }
    case e::either: {
      value left = evaluate(x.a);
      return truthy(left) ? left : evaluate(x.b);
    }
    case e::negation: return !truthy(evaluate(x.a));
    case e::compare: return compare(x);
    case e::arithmetic: {
      value left = evaluate(x.a);
      return operate(budget, x.op, left, evaluate(x.b));
    }
    case e::concatenation: return concatenate(x);
    case e::minus: return negate(evaluate(x.a));
    case e::plus: return posit(evaluate(x.a));
    case e::filtered: return apply_filter(x, evaluate(x.a));
    case e::tested: {
      value subject = evaluate(x.a);
      if (!x.check) fail("TemplateRuntimeError", "No test named '" + x.text + "' found.");
      arguments a;
      fill(a, x);
      return x.check(*this, subject, a);
    }
    case e::call: return call(x, nullptr);
    case e::attribute: return get_attribute(*this, evaluate(x.a), x.text);
    case e::item: {
      value object = evaluate(x.a);
      return get_item(*this, object, evaluate(x.b));
    }
    case e::slice: {
      value object = evaluate(x.a);
      auto part = [&](index i) { return i < 0 ? value::none() : evaluate(i); };
      value start = part(x.b), stop = part(x.c);
      return slice(budget, object, start, stop, part(x.d));
    }
    default: fail("TemplateRuntimeError", "not an expression");
  }
}

inline value interpreter::items_of(expression const& x, flavor f) {
  values out;
  out.reserve(x.items.size());
  for (index i : x.items) out.push_back(evaluate(i));
  return make_sequence(std::move(out), f);
}

inline value interpreter::make_dict_of(expression const& x) {
  dict_maker maker(budget);
  for (std::size_t i = 0; i + 1 < x.items.size(); i += 2) {
    value key = evaluate(x.items[i]);
    maker.put(std::move(key), evaluate(x.items[i + 1]));
  }
  return maker.make();
}

inline bool interpreter::holds(comparison op, value const& a, value const& b) {
  switch (op) {
    case comparison::eq: return equal(budget, a, b);
    case comparison::ne: return !equal(budget, a, b);
    case comparison::lt: return order(budget, a, b, "<") == -1;
    case comparison::gt: return order(budget, a, b, ">") == 1;
    case comparison::le: {
      int o = order(budget, a, b, "<=");
      return o == -1 || o == 0;
    }
    case comparison::ge: {
      int o = order(budget, a, b, ">=");
      return o == 1 || o == 0;
    }
    case comparison::in: return contains(budget, b, a);
    default: return !contains(budget, b, a);
  }
}

inline value interpreter::compare(expression const& x) {
  value left = evaluate(x.a);
  for (std::size_t i = 0; i < x.items.size(); ++i) {
    value right = evaluate(x.items[i]);
    if (!holds(x.comparisons[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

inline value interpreter::concatenate(expression const& x) {
  std::string out;
  for (index i : x.items) {
    value v = evaluate(i);
    if (v.is_string()) out += v.text();
    else out += to_str(budget, v);
    if (out.size() > budget.text_limit()) exhausted("a string grows too long");
  }
  budget.text(out.size());
  return value(std::move(out));
}

inline void interpreter::fill(arguments& a, expression const& x) {
  a.positional.reserve(x.items.size());
  for (index i : x.items) a.positional.push_back(evaluate(i));
  for (auto const& [name, i] : x.named) a.named.emplace_back(name, evaluate(i));
  if (x.spread >= 0)
    for (auto& v : collect(budget, evaluate(x.spread))) a.positional.push_back(std::move(v));
  if (x.spread_named < 0) return;
  value more = evaluate(x.spread_named);
  if (!more.is(kind::dict)) type_error("argument after ** must be a mapping, not " + type_name(more));
  for (auto const& [k, v] : more.dict().items) {
    if (!k.is_string()) type_error("keywords must be strings");
    if (a.find(k.text())) type_error("got multiple values for keyword argument '" + k.text() + "'");
    budget.step(1 + a.named.size() / 8);
    a.named.emplace_back(k.text(), v);
  }
}

inline value interpreter::apply_filter(expression const& x, value const& subject) {
  if (!x.apply) fail("TemplateRuntimeError", "No filter named '" + x.text + "' found.");
  arguments a;
  fill(a, x);
  return x.apply(*this, subject, a);
}

/// Calls; a method that is called at once needs no object of its own.
inline value interpreter::call(expression const& x, value const* caller) {
  expression const& callee = node(x.a);
  arguments a;
  auto complete = [&] {
    fill(a, x);
    if (caller) a.named.emplace_back("caller", *caller);
  };
  if (callee.kind == e::attribute) {
    value object = evaluate(callee.a);
    if (!object.undefined() && !object.is(kind::native) && member_of(object, callee.text) == member::method) {
      complete();
      return call_method(*this, object, callee.text, a);
    }
    value f = get_attribute(*this, object, callee.text);
    complete();
    return call_value(*this, f, a);
  }
  value f = evaluate(x.a);
  complete();
  return call_value(*this, f, a);
}

}  // namespace verbatim::jinja
