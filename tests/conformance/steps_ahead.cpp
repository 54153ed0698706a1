// The laws of steps in flight (laws/steps_ahead.hpp): on CUDA devices under the host executor, and on CPUs, where none is.
#include "laws/steps_ahead.hpp"
#include "../engines.hpp"
#include "verbatim/engine/device_sampling.hpp"

#include <tuple>

using namespace laws::steps_ahead;
using test_engines::emulated_llama_bf16;
using test_engines::emulated_llama_f32;

namespace {
struct of_my_own {
  struct params {};
  static constexpr float apply(params const&, verbatim::score s) { return s.value; }
};
}  // namespace

TEST_CASE("steps ahead: random schedules give what a request alone gives") {
  counts n;
  schedules_give_what_requests_alone_give<emulated_llama_f32>(3, 1, n);
  schedules_give_what_requests_alone_give<emulated_llama_bf16>(3, 2, n);
  all_were_seen(n);
}
TEST_CASE("steps ahead: random schedules give what a request alone gives, on a CPU") {
  counts n;
  schedules_give_what_requests_alone_give<test_engines::small_llama>(40, 3, n);
  all_were_seen(n);
}
TEST_CASE("steps ahead: a step stays in flight where the device finishes it, and where it does not, none") {
  steps_stay_in_flight<emulated_llama_f32>();
  steps_stay_in_flight<test_engines::small_llama>();
}
TEST_CASE("steps ahead: who gives way has no row in flight, and who ends beside a row of the host is forgotten") {
  who_gives_way_is_forgotten<emulated_llama_f32>();
  who_gives_way_is_forgotten<test_engines::small_llama>();
}
TEST_CASE("steps ahead: rows that the device may finish") {
  using verbatim::detail::sampling_row_of;
  using what = verbatim::kernel::sampling_row::what;
  std::vector<verbatim::token> const prompt{1, 2}, output{3, 4}, stops{2};
  verbatim::row_history const h{.prompt = prompt, .output = output, .stop_tokens = stops};
  auto const asks = [&](auto&& change) {
    verbatim::sampling_params p;
    change(p);
    return sampling_row_of(p, h, 4, -1, false).wanted;
  };
  CHECK(asks([](auto& p) { p.temperature = 0.5f, p.top_k = 3, p.top_p = 0.5f, p.min_p = 0.1f, p.min_tokens = 2; }) == what::sample);
  CHECK(asks([](auto& p) { p.min_tokens = 3; }) == what::nothing);
  CHECK(asks([](auto& p) { p.logit_bias = {{5, 1.0f}}; }) == what::nothing);
  CHECK(asks([](auto& p) { p.bad_words = {{1, 2}}; }) == what::nothing);
}
TEST_CASE("steps ahead: chains of some of the full sampler's stages are the device's too") {
  using namespace verbatim;
  using detail::sampling_row_of, detail::stages_of;
  using some = sample<bad_words, temperature, top_p, gumbel>;
  static_assert(stages_of<full_sampler>::some_of_full() && stages_of<some>::some_of_full() && stages_of<sample<top_k, greedy>>::some_of_full());
  static_assert(!stages_of<sample<top_p, top_k, gumbel>>::some_of_full());   // another order: other tokens
  static_assert(!stages_of<sample<temperature, of_my_own, gumbel>>::some_of_full());
  sampling_params p;
  p.temperature = 0.5f, p.top_p = 0.9f, p.seed = 7;
  auto const whole = sampling_row_of(p, {}, 4, -1, true), mine = sampling_row_of<some>(p, {}, 4, -1, true);
  auto const fields = [](kernel::sampling_row const& w) {
    return std::tuple(w.wanted, w.target, w.temperature, w.top_k, w.top_p, w.min_ratio, w.noise, w.position, w.seed, w.raw);
  };
  CHECK(fields(whole) == fields(mine));
  p.top_k = 3, p.min_p = 0.1f, p.logit_bias = {{5, 1.0f}};   // of no stage that it has
  auto const again = sampling_row_of<some>(p, {}, 4, -1, true);
  CHECK(fields(whole) == fields(again));
  CHECK(sampling_row_of(p, {}, 4, -1, true).wanted == kernel::sampling_row::what::nothing);
  auto const most_likely = sampling_row_of<sample<top_k, greedy>>(p, {}, 4, -1, true);
  CHECK((most_likely.noise == 0 && most_likely.top_k == 3 && most_likely.temperature == 1 && most_likely.top_p == 1));
  p.bad_words = {{1, 2}};
  CHECK(sampling_row_of<some>(p, {}, 4, -1, true).wanted == kernel::sampling_row::what::nothing);
}
