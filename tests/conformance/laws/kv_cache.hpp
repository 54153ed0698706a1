// The laws of kv_cache for any model of it: check_kv_cache_laws<my_cache>() inside a Catch2 test case. The device is
// simulated: each page position holds a digest of all tokens up to it, written as a step would write it, so that any page
// shared, copied, evicted or adopted wrongly shows as a wrong digest.
#pragma once
#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "catch.hpp"
#include "verbatim/cache/concept.hpp"

namespace verbatim::laws {

/// A book beside a naive model of what must be in its pages.
template <kv_cache Cache> class simulation {
 public:
  /// `window`: what a token sees; earlier positions may be anything.
  explicit simulation(int pages, int window = 0) : book(made(pages, window)), window_(window), device_(std::size_t(book.total_pages()) * Cache::page) {}

  struct live {
    sequence handle;
    std::vector<token> ids;   ///< committed
  };
  typename Cache::book book;
  std::vector<live> open;

  static std::uint64_t digest(std::uint64_t before, token id) { return (before ^ std::uint32_t(id + 1)) * 0x100000001b3ull + 1; }

  bool start(std::vector<token> const& ids) {
    auto const found = book.match(ids);
    int const free = book.free_pages();
    REQUIRE(found.tokens % Cache::page == 0);
    REQUIRE(std::size_t(found.tokens) <= ids.size());
    auto const s = book.open(ids, found.tokens);
    if (!s) {
      REQUIRE(book.free_pages() == free);
      return false;
    }
    REQUIRE(book.length(*s) == found.tokens);
    if (found.tokens > 0) REQUIRE(book.free_pages() == free - found.free_pages);
    open.push_back({*s, {ids.begin(), ids.begin() + found.tokens}});
    verify(open.back());
    return true;
  }
  bool extend(std::size_t i, std::vector<token> const& more) {
    live& q = open[i];
    auto const before = pages_of(q);
    int const free = book.free_pages();
    if (!book.reserve(q.handle, int(more.size()))) {
      REQUIRE(pages_of(q) == before);
      REQUIRE(book.free_pages() == free);
      return false;
    }
    auto const after = pages_of(q);
    REQUIRE(after.size() * Cache::page >= q.ids.size() + more.size());
    REQUIRE(std::equal(before.begin(), before.end(), after.begin()));   // pages never move
    copy_pages();
    std::uint64_t h = q.ids.empty() ? 0 : at(q, q.ids.size() - 1);
    for (token id : more) {
      q.ids.push_back(id);
      at(q, q.ids.size() - 1) = h = digest(h, id);
    }
    book.commit(q.handle, more);
    REQUIRE(book.length(q.handle) == int(q.ids.size()));
    return true;
  }
  bool fork(std::size_t i) {
    int const free = book.free_pages();
    auto const s = book.fork(open[i].handle);
    if (!s) {
      REQUIRE(book.free_pages() == free);
      return false;
    }
    open.push_back({*s, open[i].ids});
    REQUIRE(book.length(*s) == int(open.back().ids.size()));
    copy_pages();
    verify(open.back());
    return true;
  }
  void end(std::size_t i) {
    verify(open[i]);
    book.release(open[i].handle);
    open.erase(open.begin() + std::ptrdiff_t(i));
  }
  /// Every position of the sequence holds the digest of its own prefix.
  void verify(live const& q) {
    std::uint64_t h = 0;
    bool same = true;
    std::size_t const seen = first_seen(q);
    for (std::size_t p = 0; p < q.ids.size(); ++p) {
      h = digest(h, q.ids[p]);
      same = same && (p < seen || at(q, p) == h);
    }
    REQUIRE(same);
  }
  void verify_counts() {
    REQUIRE(book.used_pages() + book.free_pages() == book.total_pages());
    std::map<int, int> holders;
    for (live const& q : open)
      for (int p : held(q)) ++holders[p];
    for (auto const& entry : holders) REQUIRE((entry.first >= 0 && entry.first < book.total_pages()));
    REQUIRE(book.used_pages() == int(holders.size()));
    for (live const& q : open) {
      auto const pages = held(q);
      auto const gone = std::ptrdiff_t(pages_of(q).size() - pages.size());
      REQUIRE(book.shared_pages(q.handle) == gone + std::count_if(pages.begin(), pages.end(), [&](int p) { return holders[p] > 1; }));
    }
  }

 private:
  static typename Cache::book made(int pages, int window) {
    if constexpr (std::constructible_from<typename Cache::book, int, int, int, int>) return typename Cache::book(pages, 1024, 0, window);
    else return typename Cache::book(pages);
  }
  /// The first position that the next token sees.
  std::size_t first_seen(live const& q) const { return window_ > 0 && int(q.ids.size()) >= window_ ? q.ids.size() + 1 - std::size_t(window_) : 0; }
  /// Its pages without those that it has given back.
  std::vector<int> held(live const& q) const {
    auto pages = pages_of(q);
    pages.erase(pages.begin(), pages.begin() + std::ptrdiff_t(std::min(pages.size(), first_seen(q) / Cache::page)));
    return pages;
  }
  std::vector<int> pages_of(live const& q) const {
    auto const p = book.pages(q.handle);
    return {p.begin(), p.end()};
  }
  std::uint64_t& at(live const& q, std::size_t position) {
    return device_[std::size_t(book.pages(q.handle)[position / Cache::page]) * Cache::page + position % Cache::page];
  }
  void copy_pages() {
    for (page_copy c : book.copies())
      std::copy_n(device_.begin() + std::ptrdiff_t(c.from) * Cache::page, Cache::page, device_.begin() + std::ptrdiff_t(c.to) * Cache::page);
    book.copies_done();
    REQUIRE(book.copies().empty());
  }
  int window_;
  std::vector<std::uint64_t> device_;
};

template <kv_cache Cache> void fork_then_release_returns_every_page() {
  simulation<Cache> s(24);
  int const all = s.book.free_pages();
  REQUIRE(all == s.book.total_pages());
  REQUIRE(s.start({}));
  REQUIRE(s.extend(0, std::vector<token>(std::size_t(Cache::page) + 1, 5)));
  REQUIRE(s.fork(0));
  s.verify_counts();
  REQUIRE(s.extend(1, {7}));
  REQUIRE(s.extend(0, {8}));   // each writes on without the other seeing it
  s.verify(s.open[0]), s.verify(s.open[1]);
  s.end(0), s.end(0);
  REQUIRE(s.book.free_pages() == all);
  s.book.flush();
  REQUIRE(s.book.free_pages() == all);
}

template <kv_cache Cache> void reserve_fails_without_effect() {
  simulation<Cache> s(8);
  REQUIRE(s.start({1, 2, 3}));
  int const free = s.book.free_pages();
  REQUIRE(!s.book.reserve(s.open[0].handle, 8 * Cache::page + 1));
  REQUIRE(!s.book.reserve(s.open[0].handle, 0x7fffffff));
  REQUIRE(s.book.free_pages() == free);
  REQUIRE(s.book.length(s.open[0].handle) == 0);
  REQUIRE(s.book.reserve(s.open[0].handle, 0));
  REQUIRE(s.extend(0, {1}));
  s.verify_counts();
}

/// Random opens (of few different prompts, so that prefixes meet), extensions, forks, releases, flushes and new versions.
template <kv_cache Cache> void random_trace(unsigned seed, int operations, int pages, int window) {
  std::mt19937 r(seed);
  simulation<Cache> s(pages, window);
  auto const ids = [&](std::size_t n) {
    std::vector<token> v(n);
    for (token& t : v) t = token(r() % 50 == 0 ? r() % 2 : 0);
    return v;
  };
  std::uint64_t version = 0;
  for (int i = 0; i < operations; ++i) {
    unsigned const what = r() % 100;
    std::size_t const one = s.open.empty() ? 0 : r() % s.open.size();
    if (what < 20 || s.open.empty()) s.start(ids(r() % (4 * std::size_t(Cache::page))));
    else if (what < 70) s.extend(one, ids(r() % 8 == 0 ? r() % (2 * std::size_t(Cache::page)) : 1 + r() % 3));
    else if (what < 78) s.fork(one);
    else if (what < 98) s.end(one);
    else if (r() % 20 == 0) s.book.flush();
    else if (r() % 20 == 0) s.book.set_version(++version);
    if (i % 64 == 0) s.verify_counts();
    if (!s.open.empty() && i % 8 == 0) s.verify(s.open[r() % s.open.size()]);
  }
  while (!s.open.empty()) s.end(0);
  s.verify_counts();
  REQUIRE(s.book.free_pages() == s.book.total_pages());
}

}  // namespace verbatim::laws

namespace verbatim {

/// All laws, `operations` random ones among them. `window`: of a cache that gives back what is seen no more.
template <kv_cache Cache> void check_kv_cache_laws(int operations = 100000, int window = 0) {
  laws::fork_then_release_returns_every_page<Cache>();
  laws::reserve_fails_without_effect<Cache>();
  for (unsigned seed = 0; seed < 5; ++seed) laws::random_trace<Cache>(seed, operations / 5, seed % 2 ? 24 : 97, window);
}

}  // namespace verbatim
