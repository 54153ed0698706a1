// A parsed template: expressions and statements in two flat tables that refer to each other by index, so that a tree
// of any shape is destroyed without recursion, and one parse serves many renderings from many threads.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "verbatim/text/jinja/arguments.hpp"
#include "verbatim/text/jinja/operators.hpp"

namespace verbatim::jinja {

using filter = value (*)(runtime&, value const&, arguments&);
using test = bool (*)(runtime&, value const&, arguments&);

inline filter find_filter(std::string_view name);  // null where there is none
inline test find_test(std::string_view name);

using index = int;                                 // into a table; -1: absent
using block = std::vector<index>;                  // statements, in order

enum class expression_kind : std::uint8_t {
  constant, name, tuple, list, dict, conditional, both, either, negation, compare, arithmetic, concatenation,
  minus, plus, filtered, tested, call, attribute, item, slice, assign_attribute
};
enum class comparison : std::uint8_t { eq, ne, lt, le, gt, ge, in, not_in };

struct expression {
  expression_kind kind;
  int line = 0;
  int height = 1;                                  // of the tree below; bounds the recursion of evaluation
  index a = -1, b = -1, c = -1, d = -1;            // operands; of slices: object, start, stop, step
  int name = -1;                                   // id of a variable
  binary op = binary::add;
  std::vector<index> items{};                        // elements, arguments, or the right sides of comparisons
  std::vector<comparison> comparisons{};
  std::vector<std::pair<std::string, index>> named{};
  index spread = -1, spread_named = -1;            // *args, **kwargs
  std::string text{};                                // of attribute, filter or test
  value constant{};
  filter apply = nullptr;
  test check = nullptr;
};

enum class statement_kind : std::uint8_t {
  text, print, branch, loop, assign, assign_block, macro, call_block, filter_block, with, leave, next, generation, isolated, unavailable
};

struct signature {
  std::string name{};
  std::vector<int> parameters{};
  std::vector<index> defaults{};                     // of the last parameters
  bool caller = false, keywords = false, rest = false;  // whether the body names `caller`, `kwargs`, `varargs`
};

struct statement {
  statement_kind kind;
  int line = 0;
  std::string text{};
  index target = -1, from = -1, condition = -1;    // of loops: target, iterable, filter; of assignments: target, value
  std::vector<index> expressions{};                  // printed; of `with`: target, value, target, value …
  std::vector<std::pair<index, block>> branches{};
  block body{}, otherwise{};
  signature call{};
  int name = -1;
  bool recursive = false, uses_loop = false;
};

struct syntax_tree {
  std::vector<expression> expressions{};
  std::vector<statement> statements;
  std::vector<std::string> names;                  // of variables, by id
  std::unordered_map<std::string, int> ids;
  block root;

  int id(std::string const& name) {
    auto [at, fresh] = ids.try_emplace(name, int(names.size()));
    if (fresh) names.push_back(name);
    return at->second;
  }
};

}  // namespace verbatim::jinja
