// Keys and values of one layer as kernels see them: [page][kv head][position in page][head_dim], for keys and for values alike.
// A sequence is a row of page ids, so a page may have any size and lie anywhere; the bits that attention gives do not know.
#pragma once
#include "verbatim/kernel/values.hpp"

namespace verbatim::kernel {

template <class T> struct paged_kv {
  global<T> keys, values;
  int page, kv_heads, head_dim;   ///< page: tokens of a page
  VERBATIM_HD std::size_t at(int page_id, int kv_head, int offset) const {
    return ((std::size_t(page_id) * std::size_t(kv_heads) + std::size_t(kv_head)) * std::size_t(page) + std::size_t(offset)) * std::size_t(head_dim);
  }
};

/// The sequences of a step. Rows of a sequence are consecutive, one a token.
struct sequences {
  global<int const> first_row, rows, first_position;   ///< [count]
  global<int const> pages;                             ///< [count, pages_each]
  int count, pages_each;
};

}  // namespace verbatim::kernel
