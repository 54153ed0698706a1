// The laws of steps in flight (conformance/laws/steps_ahead.hpp) on a GPU.
#include "../conformance/laws/steps_ahead.hpp"
#include "engines.hpp"
#include "gpu.hpp"

using namespace laws::steps_ahead;
using test_engines::gpu_llama_bf16;
using test_engines::gpu_llama_f32;

TEST_CASE("gpu: random schedules, steps ahead, give what a request alone gives") {
  if (!have_gpu()) return;
  counts n;
  schedules_give_what_requests_alone_give<gpu_llama_f32>(20, 1, n);
  schedules_give_what_requests_alone_give<gpu_llama_bf16>(20, 2, n);
  all_were_seen(n);
}
TEST_CASE("gpu: random schedules, steps ahead, give what a request alone gives, where sums over k are cut among blocks") {
  if (!have_gpu()) return;
  counts n;
  schedules_give_what_requests_alone_give<gpu_llama_bf16>(12, 3, n, laws::wide);
  all_were_seen(n);
}
TEST_CASE("gpu: steps stay in flight, and who gives way is forgotten") {
  if (!have_gpu()) return;
  steps_stay_in_flight<gpu_llama_f32>();
  steps_stay_in_flight<gpu_llama_bf16>();
  who_gives_way_is_forgotten<gpu_llama_f32>();
  who_gives_way_is_forgotten<gpu_llama_bf16>();
}
