// Forbids token sequences: the last token of a sequence is masked when the tokens before it are the tail of prompt and
// output together. A sequence of one token is always masked, an empty one is ignored. Cost: the length of the sequences.
#pragma once
#include <vector>

#include "verbatim/sampling/concepts.hpp"

namespace verbatim {

/// Logit op. Reads sampling_params::bad_words and the history, which must outlive the row.
struct bad_words {
  static constexpr int revision = 1;
  struct params {
    std::vector<token> const* words = nullptr;
    std::size_t count = 0;
    token const* prompt = nullptr;
    std::size_t prompt_size = 0;
    token const* output = nullptr;
    std::size_t output_size = 0;
  };
  static params prepare(sampling_params const& p, row_history const& h) {
    return {p.bad_words.data(), p.bad_words.size(), h.prompt.data(), h.prompt.size(), h.output.data(), h.output.size()};
  }
  static constexpr bool active(params const& p) { return p.count > 0; }
  static void edit(params const& p, std::span<float> row) {
    for (std::size_t i = 0; i < p.count; ++i) {
      auto const& word = p.words[i];
      if (word.empty() || word.back() < 0 || std::size_t(word.back()) >= row.size()) continue;
      if (ends_with(p, {word.data(), word.size() - 1})) row[std::size_t(word.back())] = masked;
    }
  }

 private:
  static bool ends_with(params const& p, std::span<token const> tail) {
    std::size_t const all = p.prompt_size + p.output_size;
    if (tail.size() > all) return false;
    for (std::size_t i = 0, at = all - tail.size(); i < tail.size(); ++i, ++at)
      if ((at < p.prompt_size ? p.prompt[at] : p.output[at - p.prompt_size]) != tail[i]) return false;
    return true;
  }
};

}  // namespace verbatim
