// Pages copied by one launch: what the list asks for, copy after copy, and nothing beside it. Copies that may not run side by side are told.
#include <random>
#include <vector>

#include "launches.hpp"
#include "verbatim/kernel/copy_pages.hpp"

using namespace verbatim;
using namespace verbatim::kernel;
using namespace kernel_tests;

namespace {

template <class T> struct pages_of_layers {
  int pieces, pages;
  std::size_t elements;
  memory<T> kv;
  pages_of_layers(int pieces, int pages, std::size_t elements)
      : pieces(pieces), pages(pages), elements(elements), kv(random_values<T>(std::size_t(pieces * pages) * elements, std::uint32_t(elements))) {}

  void copy_one_by_one(std::vector<page_pair> const& list) {
    for (auto [from, to] : list)
      for (int piece = 0; piece < pieces; ++piece)
        for (std::size_t i = 0; i < elements; ++i)
          kv[(std::size_t(piece * pages) + std::size_t(to)) * elements + i] = kv[(std::size_t(piece * pages) + std::size_t(from)) * elements + i];
  }
  /// As the backend does; gives the number of launches.
  int copy_together(std::vector<page_pair> const& list, std::uint64_t order) {
    copy_pages<T> p{kv, {}, pieces, pages, elements};
    int launches = 0;
    for (auto [from, to] : list) {
      if (p.pairs.add(from, to)) continue;
      launch(p, order), ++launches;
      p.pairs = {};
      REQUIRE(p.pairs.add(from, to));
    }
    if (p.pairs.count > 0) launch(p, order), ++launches;
    return launches;
  }
};

template <class T> int check(int pieces, int pages, std::size_t elements, std::vector<page_pair> const& list, std::uint64_t order) {
  INFO(pieces << " pieces of " << pages << " pages of " << elements << ", " << list.size() << " copies, order " << order);
  pages_of_layers<T> expected(pieces, pages, elements), got(pieces, pages, elements);
  expected.copy_one_by_one(list);
  int const launches = got.copy_together(list, order);
  CHECK(same(got.kv, expected.kv));
  return launches;
}

}  // namespace

TEST_CASE("pages copied by one launch are those copied one by one") {
  if (!can_launch()) return;
  std::size_t const block = copy_threads * copy_packs * 8;   // elements of bf16
  for (std::size_t elements : {std::size_t(8), std::size_t(2048), block - 8, block, block + 8, 2 * block + 264}) {
    CHECK(check<bf16>(6, 9, elements, {{3, 0}, {3, 8}, {5, 1}, {7, 2}}, elements) == 1);
    CHECK(check<float>(4, 5, elements / 2 * 2, {{0, 4}, {0, 3}, {1, 2}}, elements + 1) == 1);
  }
  CHECK(check<bf16>(2, 4, 64, {}, 0) == 0);
}

TEST_CASE("pages copied by one launch: a copy of a copy joins it, what overwrites another's pages does not") {
  if (!can_launch()) return;
  CHECK(check<bf16>(4, 6, 512, {{0, 1}, {1, 2}, {2, 3}, {0, 4}, {3, 5}}, 1) == 1);   // forks of forks
  CHECK(check<bf16>(4, 6, 512, {{0, 1}, {2, 0}}, 2) == 2);                          // overwrites what is read
  CHECK(check<bf16>(4, 6, 512, {{0, 1}, {2, 1}}, 3) == 2);                          // overwrites what is written
  CHECK(check<bf16>(4, 6, 512, {{0, 1}, {1, 0}}, 4) == 2);
  CHECK(check<bf16>(4, 6, 512, {{0, 1}, {1, 2}, {3, 1}, {1, 4}}, 5) == 2);
  page_pairs full{};
  for (int i = 0; i < page_pairs::most; ++i) REQUIRE(full.add(0, i + 1));
  CHECK_FALSE(full.add(0, page_pairs::most + 1));
  CHECK(full.count == page_pairs::most);
  std::vector<page_pair> many;
  for (int i = 1; i <= page_pairs::most + 3; ++i) many.push_back({0, i});
  CHECK(check<bf16>(2, page_pairs::most + 4, 32, many, 6) == 2);
}

TEST_CASE("pages copied by one launch: random lists with whatever in them") {
  if (!can_launch()) return;
  std::mt19937 random(11);
  int launches = 0, copies = 0;
  for (std::uint64_t round = 0; round < 40; ++round) {
    int const pages = 2 + int(random() % 30);
    std::vector<page_pair> list(1 + random() % 20);
    for (auto& c : list) c.from = int(random() % unsigned(pages)), c.to = (c.from + 1 + int(random() % unsigned(pages - 1))) % pages;
    launches += check<float>(2, pages, 40, list, round), copies += int(list.size());
  }
  CHECK((launches < copies && launches > 40));
}

TEST_CASE("pages copied by one launch: a launch is within what a GPU has") {
  copy_pages<bf16> p{};
  p.pieces = 2 * 128, p.elements = std::size_t(128) * 256 * 128, p.pairs.count = page_pairs::most;
  auto const shape = shape_of(p);
  CHECK((shape.y <= simt::most_blocks && shape.z <= simt::most_blocks && shape.threads <= 1024 && shape.x == 512));
  CHECK(sizeof p <= 4096);   // parameters of a launch
}
