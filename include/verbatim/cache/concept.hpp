// What the engine asks of a KV cache. The book (host) decides which pages a sequence owns; the view is what kernels see.
// Laws, run by tests/conformance/laws/kv_cache.hpp on any model: fork then release returns every page; reserve fails
// without effect; what a sequence's pages hold is what was committed to it; used + free = total.
// A book is driven by one thread. Nothing allocates after construction; each call costs the pages it touches.
#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>

#include "verbatim/core/token.hpp"

namespace verbatim {

/// The longest cached prefix: whole pages, in tokens, and how many of its pages no sequence holds now.
struct prefix_match {
  int tokens = 0;
  int free_pages = 0;
};
/// The contents of page `from` must be copied to page `to` before the next step writes or reads either.
struct page_copy {
  int from, to;
};

/// `page`: tokens per page. `view`: plain data for kernels. `book(int pages)` and the members below.
template <class T>
concept kv_cache = pod<typename T::view> && std::constructible_from<typename T::book, int> &&
  requires(typename T::book& b, typename T::book const& c, sequence s, std::span<token const> ids, int n, std::uint64_t v) {
    { T::page } -> std::convertible_to<int>;
    { c.match(ids) } -> std::same_as<prefix_match>;
    { b.open(ids, n) } -> std::same_as<std::optional<sequence>>;     // adopts n cached tokens; nullopt: no slot
    { c.length(s) } -> std::same_as<int>;                            // tokens whose KV is in
    { b.reserve(s, n) } -> std::same_as<bool>;                       // pages for n tokens more; false: nothing changed
    { b.commit(s, ids) } -> std::same_as<void>;                      // their KV has been written
    { b.fork(s) } -> std::same_as<std::optional<sequence>>;          // shares or copies; nullopt: nothing changed
    { b.release(s) } -> std::same_as<void>;                          // its pages return
    { c.pages(s) } -> std::same_as<std::span<int const>>;            // in order; the address is stable while s lives
    { c.shared_pages(s) } -> std::same_as<int>;                      // of these, held by other sequences as well
    { c.copies() } -> std::same_as<std::span<page_copy const>>;
    { b.copies_done() } -> std::same_as<void>;
    { c.free_pages() } -> std::same_as<int>;                         // can be had by reserve, cached ones included
    { c.used_pages() } -> std::same_as<int>;
    { c.total_pages() } -> std::same_as<int>;
    { b.flush() } -> std::same_as<void>;                             // forget cached prefixes
    { b.set_version(v) } -> std::same_as<void>;                      // weights changed: earlier KV matches no more
  };

}  // namespace verbatim
