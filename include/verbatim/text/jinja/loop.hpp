// The `loop` variable: draws elements one by one and looks ahead only when asked to (last, length, nextitem, …), so
// that lazy iterables behave as in jinja2.
#pragma once
#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "verbatim/text/jinja/runtime.hpp"

namespace verbatim::jinja {

struct loop_object : native_object {
  std::function<bool(value&)> draw;
  std::function<value(value)> recurse;             // renders a level deeper; null for loops that are not recursive
  std::deque<value> ahead;
  value previous, current;
  std::int64_t index0 = -1;
  int level = 0;
  bool drained = false;
  values changed;
  bool asked_changed = false;

  char const* type() const override { return "LoopContext"; }
  bool callable() const override { return true; }
  std::string shown() const override {
    return "<LoopContext " + std::to_string(index0 + 1) + "/" + std::to_string(index0 + 1 + std::int64_t(ahead.size())) + ">";
  }

  bool next() {
    value v;
    if (!ahead.empty()) {
      v = std::move(ahead.front());
      ahead.pop_front();
    } else if (drained || !draw(v)) {
      drained = true;
      return false;
    }
    ++index0;
    previous = std::move(current);
    current = std::move(v);
    return true;
  }
  bool peek() {
    if (!ahead.empty()) return true;
    value v;
    if (drained || !draw(v)) {
      drained = true;
      return false;
    }
    ahead.push_back(std::move(v));
    return true;
  }
  std::int64_t length(runtime& r) {
    for (value v; !drained;) {
      if (draw(v)) ahead.push_back(std::move(v));
      else drained = true;
      r.budget.step();
    }
    return index0 + 1 + std::int64_t(ahead.size());
  }

  bool attribute(runtime& r, std::string_view name, value& out) override {
    if (name == "index0") out = index0;
    else if (name == "index") out = index0 + 1;
    else if (name == "first") out = index0 == 0;
    else if (name == "last") out = !peek();
    else if (name == "length") out = length(r);
    else if (name == "revindex") out = length(r) - index0;
    else if (name == "revindex0") out = length(r) - index0 - 1;
    else if (name == "previtem") out = index0 == 0 ? value::missing("there is no previous item") : previous;
    else if (name == "nextitem") out = peek() ? ahead.front() : value::missing("there is no next item");
    else if (name == "depth") out = level + 1;
    else if (name == "depth0") out = level;
    else if (name == "cycle" || name == "changed") out = method(name);
    else return false;
    return true;
  }
  value call(runtime&, arguments& a) override {
    auto b = bind("loop", a, {"iterable"}, 1);
    if (!recurse) type_error("The loop must have the 'recursive' marker to be called recursively.");
    return recurse(*b[0]);
  }

 private:
  struct loop_method : native_object {
    value self;
    bool cycle = false;
    char const* type() const override { return "method"; }
    bool callable() const override { return true; }
    value call(runtime& r, arguments& a) override {
      if (!a.named.empty()) type_error("a method of loop takes no keyword arguments");
      auto& loop = static_cast<loop_object&>(self.native());
      if (cycle) {
        if (a.positional.empty()) type_error("no items for cycling given");
        return a.positional[std::size_t(loop.index0) % a.positional.size()];
      }
      if (loop.asked_changed && detail::equal_items(r.budget, loop.changed, a.positional)) return false;
      for (auto const& v : a.positional)
        if (v.depth() >= nesting_limit / 2) exhausted("values are nested too deeply");
      loop.asked_changed = true;
      loop.changed = a.positional;
      return true;
    }
  };
  value method(std::string_view name) {
    auto* m = new loop_method;
    value out(kind::native, m);
    m->self = value(kind::native, this);
    m->cycle = name == "cycle";
    m->depth = depth + 1;
    return out;
  }
};

}  // namespace verbatim::jinja
