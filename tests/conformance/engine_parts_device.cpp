// Engines of other parts on CUDA devices, under the host executor: products in the library's place, and a chain of some of the full
// sampler's stages, whose rows the device finishes too.
#include "laws/engine.hpp"
#include "laws/steps_ahead.hpp"
#include "../../cmake/separate/emulated/kernels.hpp"
#include "../engines.hpp"
#include "verbatim/backend/cuda/library_linear.hpp"
#include "verbatim/engine/engine.ipp.hpp"

namespace {

struct other_parts : test_engines::on_device<verbatim::cuda::emulated, verbatim::bf16> {
  using linear = verbatim::cuda::library_linear;
  using sampler = verbatim::sample<verbatim::bad_words, verbatim::temperature, verbatim::top_p, verbatim::gumbel>;
  static constexpr verbatim::numerics contract{verbatim::guarantee::run_to_run, 64, 0};
};

}  // namespace

TEST_CASE("engine: a request gets the same bits alone and in company, where the library multiplies") {
  // The library promises less; the product in its place sums each output by itself.
  laws::same_in_company<other_parts>(laws::random_subject<other_parts>("llama", true));
}
TEST_CASE("engine: a chain of some stages leaves steps in flight") {
  laws::steps_ahead::steps_stay_in_flight<other_parts>();
}
