// The paged cache for models whose layers all look back a window: a sequence gives pages back once no later token sees them, so
// its memory is that of the window however long it becomes. Pages that left stay in the prefix index until their room is needed,
// the beginning of a prefix longest. Where a layer sees everything it is the paged cache.
#pragma once
#include "verbatim/cache/paged.hpp"

namespace verbatim {

/// Pages of `Page` tokens. The window is the model's (engine_config has none).
template <int Page> struct sliding {
  static_assert(Page > 0, "sliding<Page>: a page holds at least one token");
  static constexpr int page = Page;
  struct view { int const* pages; };
  class book : public paged_book {
   public:
    explicit book(int pages, int sequences = 1024, int pages_per_sequence = 0, int window = 0)
        : paged_book(Page, pages, sequences, pages_per_sequence, window) {}
  };
};

}  // namespace verbatim
