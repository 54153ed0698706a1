// What a rendering may use, and the meter that every evaluation, element and byte is charged to. A template and its
// context are hostile: whatever they ask for ends in error("template", 4) instead of a hang or a full memory.
// Invariant: no loop over data of a template's choosing runs without charging. Cost: one addition and a comparison.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "verbatim/core/error.hpp"

namespace verbatim::jinja {

struct limits {
  std::size_t steps = 20'000'000;        ///< evaluated nodes, elements, and 16-byte pieces of text built
  std::size_t text = 64u << 20;          ///< bytes of the output and of any single string
  int depth = 600;                       ///< nested evaluations: expressions, blocks, macro calls, recursive loops
};

inline constexpr int nesting_limit = 128;  ///< of lists and dicts in each other; bounds every walk over a value
inline constexpr int source_nesting = 100; ///< of brackets and blocks in a template's source
inline constexpr int chain_limit = 400;    ///< height of an expression: `a + b + c …`, `a.b.c …`
inline constexpr std::size_t range_limit = 100'000;  ///< elements of range(), as in the sandbox of jinja2

/// Failures inside the interpreter; `template::render` adds the line and throws verbatim::error with `number`.
struct failure {
  int number;
  std::string message;
};

[[noreturn]] inline void fail(std::string_view type, std::string_view message) {
  throw failure{type == "UndefinedError" ? 3 : 2, std::string(type) + ": " + std::string(message)};
}
[[noreturn]] inline void type_error(std::string_view message) { fail("TypeError", message); }
[[noreturn]] inline void value_error(std::string_view message) { fail("ValueError", message); }
[[noreturn]] inline void exhausted(std::string_view what) { throw failure{4, std::string(what)}; }

class meter {
 public:
  explicit meter(limits l) : limits_(l) {}
  void step(std::size_t n = 1) {
    if (n > limits_.steps - steps_) exhausted("the rendering takes too many steps");
    steps_ += n;
  }
  /// Charges for a string of n bytes that is about to be built.
  void text(std::size_t n) {
    if (n > limits_.text) exhausted("a string or the output grows too long");
    step(1 + n / 16);
  }
  std::size_t steps() const { return steps_; }
  std::size_t text_limit() const { return limits_.text; }

  /// Holds one level of nested evaluation.
  class level {
   public:
    explicit level(meter& m) : meter_(m) {
      if (meter_.depth_ >= meter_.limits_.depth) exhausted("evaluation is nested too deeply");
      ++meter_.depth_;
    }
    ~level() { --meter_.depth_; }
    level(level const&) = delete;
    level& operator=(level const&) = delete;

   private:
    meter& meter_;
  };

 private:
  limits limits_;
  std::size_t steps_ = 0;
  int depth_ = 0;
};

}  // namespace verbatim::jinja
