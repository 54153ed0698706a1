// The form of a product on a GPU's tensor cores, for all rows up to 600 and the shapes of models and between: always one that kernels are
// compiled for and that reads what is there, with room for its sums, the best by the estimate of all forms, busy with at least half a GPU where
// that costs nothing more, and never dearer for less work.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "verbatim/backend/cuda/parts.hpp"

using namespace verbatim;
using namespace verbatim::cuda;
using kernel::sm90::leaves_of;

namespace {

constexpr int most_rows = 600;
std::vector<int> const all_outputs = {8, 64, 72, 128, 136, 896, 1152, 1536, 2048, 3584, 4096, 4608, 6144, 8448, 9728, 16384, 28672, 37888, 151936};
std::vector<int> const all_k = {64, 512, 520, 896, 1024, 1536, 2048, 3584, 4096, 4864, 8960, 14336, 18944};

template <class F> void for_all(std::vector<int> const& processors, F&& f) {
  for (int p : processors)
    for (int outputs : all_outputs)
      for (int k : all_k)
        for (int rows = 1; rows <= most_rows; ++rows) f(product_size{rows, outputs, k}, p);
}
std::string text_of(product_size const& s, int processors) {
  return std::to_string(s.rows) + " rows, " + std::to_string(s.outputs) + " outputs, " + std::to_string(s.k) + " of k, " + std::to_string(processors) + " processors";
}
std::int64_t partials_of(product_size const& s, product_form const& f) { return f.leaves_each > 0 ? std::int64_t(leaves_of(s.k)) * s.rows * s.outputs : 0; }

}  // namespace

TEST_CASE("product form: always a compiled tile, within the rows that there are, every leaf in one part, and sums within their room") {
  std::string wrong;
  long cut = 0, whole = 0;
  for_all({1, 4, 40, 114, 132}, [&](product_size const& s, int processors) {
    product_form const f = product_form_for(s, processors);
    bool const compiled = std::ranges::any_of(product_tiles, [&](product_form const& t) { return t.rows == f.rows && t.groups == f.groups; });
    bool const there = (s.rows + f.rows - 1) / f.rows * f.rows <= padded_rows(s.rows);
    bool const leaves = f.leaves_each == 0 || (f.leaves_each >= 1 && f.leaves_each < leaves_of(s.k));
    bool const room = partials_of(s, f) <= std::int64_t(tensor_linear::partial_room({s.outputs, s.k, s.rows}, processors));
    if (!(compiled && there && leaves && room) && wrong.empty()) wrong = text_of(s, processors);
    ++(f.leaves_each > 0 ? cut : whole);
  });
  CHECK(wrong == "");
  CHECK((cut > 1000 && whole > 1000));
}

TEST_CASE("product form: sums of fewer rows have room in that of more") {
  std::string wrong;
  long smaller = 0;
  for (int processors : {1, 4, 40, 114, 132})
    for (int outputs : all_outputs)
      for (int k : all_k) {
        std::size_t before = 0;
        std::size_t const any = tensor_linear::partial_room({outputs, k, 1 << 20}, processors);
        for (int rows = 1; rows <= most_rows; ++rows) {
          std::size_t const room = tensor_linear::partial_room({outputs, k, rows}, processors);
          if (room < before || room > any) wrong = text_of({rows, outputs, k}, processors);
          before = room, smaller += room < any;
        }
      }
  CHECK(wrong == "");
  CHECK(smaller > 1000);
  CHECK(tensor_linear::partial_room({4096, 4096, 8}, 132) == 8 * 8 * 4096);   // eight leaves: 1 MiB, and 40 MiB where rows are many
  CHECK(tensor_linear::partial_room({4096, 4096, 2048}, 132) > 4 * 8 * 8 * 4096);
}

TEST_CASE("product form: parts have every number of leaves that there is, once, most first") {
  for (int leaves = 1; leaves <= 300; ++leaves) {
    std::vector<int> all, visited;
    for (int parts = 1; parts <= leaves; ++parts)
      if (int const each = (leaves + parts - 1) / parts; all.empty() || all.back() != each) all.push_back(each);
    for (int each = leaves; each > 0; each = next_fewer(leaves, each)) visited.push_back(each);
    REQUIRE(visited == all);
  }
}

TEST_CASE("product form: of no rows it is the smallest, whole") {
  for (int processors : {1, 132}) CHECK(product_form_for({0, 4096, 4096}, processors) == product_form{8, 1});
  static_assert(product_form_for({0, 4096, 4096}, 132).leaves_each == 0);
}

TEST_CASE("product form: a tile calls its own kernel") {
  for (product_form const& t : product_tiles) with_tile(t, [&]<int Rows, int Groups>() { CHECK((Rows == t.rows && Groups == t.groups)); });
}

TEST_CASE("product form: beyond few rows no form is cheaper by the estimate, and none with fewer blocks than half a GPU ties with one that has them") {
  std::string dearer, idle;
  for_all({132}, [&](product_size const& s, int processors) {
    if (s.rows <= product_policy::few_rows || s.rows % 7 > 1) return;   // rows of every kind
    product_form const f = product_form_for(s, processors);
    std::int64_t const cost = product_bytes(s, f, processors);
    std::int64_t busy = INT64_MAX;   // of the forms that have half a GPU's blocks
    for (product_form t : product_tiles) {
      if (t.rows > padded_rows(s.rows) || t.rows <= product_policy::few_rows) continue;
      for (t.leaves_each = 0; t.leaves_each < (may_cut(s, t, processors) ? leaves_of(s.k) : 1); ++t.leaves_each) {
        std::int64_t const other = product_bytes(s, t, processors);
        if (other < cost && dearer.empty()) dearer = text_of(s, processors);
        if (2 * blocks_of(s, t) >= processors) busy = std::min(busy, other);
      }
    }
    if (2 * blocks_of(s, f) < processors && busy <= cost && idle.empty()) idle = text_of(s, processors);
  });
  CHECK(dearer == "");
  CHECK(idle == "");
}

TEST_CASE("product form: less work is never dearer") {
  std::string wrong;
  for_all({132}, [&](product_size const& s, int processors) {
    if (s.rows <= product_policy::few_rows) return;
    auto const cost = [&](product_size const& of) { return product_bytes(of, product_form_for(of, processors), processors); };
    std::int64_t const own = cost(s);
    bool const sound = cost({s.rows + 1, s.outputs, s.k}) >= own && cost({s.rows, s.outputs + 64, s.k}) >= own && cost({s.rows, s.outputs, s.k + 64}) >= own;
    if (!sound && wrong.empty()) wrong = text_of(s, processors);
  });
  CHECK(wrong == "");
}

// Outputs and k of [qkv, o, gate and up, down] of Qwen2.5 0.5B, 1.5B and 7B and of Llama 3.1 8B.
TEST_CASE("product form: products of real models keep at least half of a GPU's processors busy from 33 to 512 rows, where they have work for more than a launch") {
  struct { int outputs, k; } const products[] = {{1152, 896}, {896, 896}, {9728, 896}, {896, 4864}, {2048, 1536}, {1536, 1536}, {17920, 1536}, {1536, 8960},
                                                 {4608, 3584}, {3584, 3584}, {37888, 3584}, {3584, 18944}, {6144, 4096}, {4096, 4096}, {28672, 4096}, {4096, 14336}};
  for (auto const& [outputs, k] : products)
    for (int rows = 33; rows <= 512; ++rows) {
      product_size const s{rows, outputs, k};
      product_form const f = product_form_for(s, 132);
      std::int64_t const before = product_bytes(s, {rows <= 64 ? 64 : 128, rows <= 64 ? 1 : 2}, 132);   // what one fixed tile for so many rows takes
      CAPTURE(rows, outputs, k, f.rows, f.groups, f.leaves_each);
      CHECK(product_bytes(s, f, 132) <= before);
      if (k > 1024) CHECK(blocks_of(s, f) >= 66);
    }
  CHECK(product_form_for({512, 37888, 3584}, 132) == product_form{128, 2});
}

TEST_CASE("product form: leaves are dealt to blocks when blocks are few") {
  CHECK(leaves_each_for(132, 4096, 132) == 0);
  CHECK(leaves_each_for(64, 4096, 132) == 2);
  CHECK(leaves_each_for(14, 896, 132) == 1);
  CHECK(leaves_each_for(8, 512, 132) == 0);
}
