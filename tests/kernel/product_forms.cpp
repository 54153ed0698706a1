// Every form that a product on Hopper's tensor cores may take (backend/cuda/product_form.hpp), wherever it runs (launches.hpp): each tile that
// kernels are compiled for, with leaves in one block and cut among blocks in every way, gives the same bits. And so does the part that chooses
// the form, for devices of all sizes, in the room for sums that it asks for.
#include <array>
#include <set>
#include <vector>

#include "launches.hpp"
#include "verbatim/backend/cuda/parts.hpp"
#include "verbatim/kernel/rowwise.hpp"

using namespace verbatim;
using namespace verbatim::kernel;
using namespace kernel_tests;
namespace sm90 = verbatim::kernel::sm90;

namespace {

using form = std::array<int, 3>;   // rows, warpgroups, leaves of a block

/// [gate, up] or one matrix, of which rows are multiplied by every form.
template <class Out> struct problem {
  int rows, outputs, k;
  sm90::pairing pairs;
  memory<bf16> x, w, tiles;
  memory<float> bias;
  memory<Out> residual;

  problem(int rows_, int outputs_, int k_, sm90::pairing pairs_ = sm90::pairing::none)
      : rows(rows_), outputs(outputs_), k(k_), pairs(pairs_), x(random_values<bf16>(std::size_t(rows_ * k_), 1)), w(random_values<bf16>(std::size_t(outputs_ * k_), 2)),
        tiles(sm90::weight_elements(outputs_, k_)), bias(random_values<float>(std::size_t(outputs_), 3)), residual(random_values<Out>(std::size_t(rows_ * outputs_), 4)) {
    launch(sm90::tile_weights{{w, tiles, outputs, k}});
  }
  bool gated() const { return pairs == sm90::pairing::gated; }
  int y_groups() const { return gated() ? cuda::padded_rows(rows) / sm90::group_rows : 0; }
  memory<Out> result() const {
    Out const untouched = from_float<Out>(77);
    return gated() ? memory<Out>(sm90::activation_elements(y_groups(), outputs / 2), untouched) : memory<Out>(std::size_t(rows * outputs), untouched);
  }
  memory<Out> compute(cuda::product_form const& f, std::uint64_t seed) {
    int const groups = cuda::padded_rows(rows) / sm90::group_rows;   // of every form
    memory<bf16> xs(sm90::activation_elements(groups, k), bf16{0x7fc0});
    launch(sm90::tile_activations{{x, xs, rows, k}, groups});
    for (int r = rows; r < groups * sm90::group_rows; ++r)   // rows that are not there are NaN
      for (int i = 0; i < k; ++i) xs[sm90::activation_pack(r, i, groups) * 8 + std::size_t(i % 8)] = bf16{0x7fc0};
    auto y = result();
    memory<float> partial(f.leaves_each > 0 ? std::size_t(sm90::leaves_of(k) * rows * outputs) : 0, 55.0f);
    sm90::linear_params<Out> p{xs, tiles, bias, {}, y, partial, rows, outputs, k, groups, f.leaves_each, pairs, y_groups()};
    if (!gated()) p.residual = residual;
    cuda::with_tile(f, [&]<int Rows, int Groups>() { launch(sm90::linear<Out, Rows, Groups>{p}, seed); });
    if (f.leaves_each > 0) launch(sm90::merge_leaves<Out>{p}, seed);
    return y;
  }
  /// How many forms were compared.
  int check_all_forms() {
    auto expected = compute({8, 1}, 1);
    int forms = 0;
    for (cuda::product_form f : cuda::product_tiles)
      for (f.leaves_each = 0; f.leaves_each <= sm90::leaves_of(k); ++f.leaves_each) {
        if (f.rows > cuda::padded_rows(rows)) continue;
        INFO(rows << " rows; tiles of " << f.rows << " rows, " << f.groups << " warpgroups, " << f.leaves_each << " leaves each");
        auto y = compute(f, std::uint64_t(++forms));
        CHECK(same(expected, y));
      }
    return forms;
  }
};

/// Runs what a part enqueues, as a device of so many processors would, and remembers the forms of its products.
template <int Processors> struct device {
  static constexpr int processors = Processors;
  std::set<form> forms{};
  template <class Params> void launch(Params const& p) { kernel_tests::launch(p, 9); }
  template <class Out, int Rows, int Groups> void launch(sm90::linear<Out, Rows, Groups> const& p) {
    forms.insert({Rows, Groups, p.leaves_each});
    kernel_tests::launch(p, 9);
  }
};
template <int Processors, class Out> form as_chosen(problem<Out>& of, memory<Out>& expected) {
  device<Processors> d;
  memory<bf16> rows(cuda::tensor_linear::row_room<bf16>(of.rows, of.k), bf16{0x7fc0});
  memory<float> partial(cuda::tensor_linear::partial_room({of.outputs, of.k, of.rows}, Processors), 55.0f);
  auto y = of.result();
  cuda::product<bf16, Out> p{of.x, of.tiles, of.bias, {}, y, of.rows, of.outputs, of.k, 0, of.pairs, of.y_groups()};
  if (!of.gated()) p.residual = of.residual;
  cuda::tensor_linear::enqueue(d, p, cuda::product_scratch<bf16>{rows, partial});
  INFO(of.rows << " rows on " << Processors << " processors");
  CHECK(same(expected, y));
  REQUIRE(d.forms.size() == 1);
  return *d.forms.begin();
}

}  // namespace

// In f32 the order of sums shows, which bf16 mostly rounds away.
TEST_CASE("product forms: every tile and every cut gives the same bits") {
  if (!can_launch()) return;
  CHECK(problem<float>(70, 72, 1032).check_all_forms() == 28);   // three leaves, the last of them short; two tiles of 64 rows, or one of 128
  CHECK(problem<bf16>(35, 136, 520).check_all_forms() == 15);
}

TEST_CASE("product forms: and of products that gate") {
  if (!can_launch()) return;
  CHECK(problem<bf16>(66, 144, 520, sm90::pairing::gated).check_all_forms() == 21);
}

TEST_CASE("product forms: the part gives the same bits on devices of all sizes, by other forms") {
  if (!can_launch()) return;
  std::set<form> forms;
  for (int rows : {7, 33, 65, 130}) {
    problem<float> of(rows, 136, 1032);
    auto expected = of.compute({8, 1}, 1);
    for (form const& f : {as_chosen<1>(of, expected), as_chosen<2>(of, expected), as_chosen<6>(of, expected), as_chosen<132>(of, expected)}) forms.insert(f);
  }
  CHECK(forms.size() >= 6);
}
