// Regular expressions of tokenizer.json, run by PCRE2 (compiled once, JIT where there is one, match limits set).
// The files are written for Oniguruma's Ruby syntax, so a pattern is first translated: \s, \w, \d and \h mean Unicode sets,
// categories gain what is newer than PCRE2's tables, {n,m}+ is not possessive, ^ and $ match at lines.
// A compiled pattern is immutable; matching is thread-safe (one match block for each thread).
#pragma once
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/text/regex_syntax.hpp"
#include "verbatim/text/utf8.hpp"

namespace verbatim::detail {

struct match {
  std::size_t begin, end;
};

class regex {
 public:
  /// Throws error("tokenizer", 7) when the pattern is wrong or uses what is not supported.
  explicit regex(std::string_view pattern) : source_(pattern) {
    std::string const translated = regex_syntax(pattern).translate();
    int code = 0;
    PCRE2_SIZE place = 0;
    std::uint32_t const options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> context(pcre2_compile_context_create(nullptr),
                                                                                     pcre2_compile_context_free);
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context.get(), 100);
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(), options, &code, &place,
                              context.get()),
                pcre2_code_free);
    if (!code_) {
      PCRE2_UCHAR text[256];
      pcre2_get_error_message(code, text, sizeof text);
      throw error("tokenizer", 7, "regular expression " + std::string(pattern.substr(0, 200)) + ": " +
                                      reinterpret_cast<char const*>(text));
    }
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // without JIT the interpreter runs it
  }

  /// The first match at or behind `from`. Throws error("tokenizer", 8) when the match limits are reached.
  bool search(std::string_view text, std::size_t from, match& found) const {
    workspace& w = space();
    int const rc = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, PCRE2_NO_UTF_CHECK,
                               w.data.get(), w.context.get());
    if (rc == PCRE2_ERROR_NOMATCH) return false;
    if (rc < 0)
      throw error("tokenizer", 8, "regular expression " + source_.substr(0, 200) + " gave up on the text (PCRE2 code " +
                                      std::to_string(rc) + ")");
    PCRE2_SIZE const* const v = pcre2_get_ovector_pointer(w.data.get());
    found = {v[0], v[1]};
    return found.begin <= found.end;
  }

  /// Calls visit(match) for each match from left to right; an empty one directly behind another match is skipped.
  template <class Visit> void each(std::string_view text, Visit&& visit) const {
    std::size_t from = 0, last_end = std::string_view::npos;
    for (match m; from <= text.size() && search(text, from, m);) {
      if (m.begin == m.end && m.end == last_end) {
        if (from >= text.size()) return;
        from += std::size_t(utf8_length(static_cast<unsigned char>(text[from])));
        continue;
      }
      from = last_end = m.end;
      visit(m);
    }
  }

 private:
  struct workspace {
    std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data{pcre2_match_data_create(1, nullptr), pcre2_match_data_free};
    std::unique_ptr<pcre2_match_context, void (*)(pcre2_match_context*)> context{pcre2_match_context_create(nullptr),
                                                                                 pcre2_match_context_free};
    std::unique_ptr<pcre2_jit_stack, void (*)(pcre2_jit_stack*)> stack{pcre2_jit_stack_create(32 << 10, 8 << 20, nullptr),
                                                                       pcre2_jit_stack_free};
    workspace() {
      pcre2_set_match_limit(context.get(), 50'000'000);
      pcre2_set_heap_limit(context.get(), 64 << 10);  // KiB
      pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    }
  };
  static workspace& space() {
    thread_local workspace instance;
    return instance;
  }

  std::shared_ptr<pcre2_code> code_;
  std::string source_;
};

}  // namespace verbatim::detail
