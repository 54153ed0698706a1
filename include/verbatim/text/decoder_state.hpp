// What the decoder of tokenizer.json (decode.hpp) remembers of one text in the making.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "verbatim/text/utf8.hpp"

namespace verbatim::detail {

/// What one text in the making remembers, for each stage.
class decoder_state {
  friend class decoder;
  struct memory {
    utf8_repair repair{};
    std::string run{};            // byte_fallback
    std::size_t dropped = 0;      // strip: so many at the start; metaspace: tokens seen
    std::size_t held = 0;         // strip: such characters at the end
    bool inside = false;          // strip: something else has come
  };
  std::vector<memory> stages;
  bool begun = false;
};

}  // namespace verbatim::detail
