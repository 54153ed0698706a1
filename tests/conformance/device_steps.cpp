// What a step costs a device beside its kernels: one copy there, one replay of a graph in which sampling is, one copy back; more only where
// the host wants logits. Tokens are those of the host's chain, also where the next step was started before they were known.
#include "device_model.hpp"
#include "verbatim/engine/device_sampling.hpp"
#include "verbatim/engine/pipeline.hpp"

using namespace device_model;
using kernel::sampling_row;

namespace {

struct traffic {
  int uploads = 0, replays = 0, launches = 0, downloads = 0, copies = 0;   ///< launches: outside replays
  bool operator==(traffic const&) const = default;
};
struct counting : cuda::emulator {
  inline static traffic n;
  inline static bool in_replay = false;
  void upload(void* to, void const* staged, std::size_t bytes) { ++n.uploads, cuda::emulator::upload(to, staged, bytes); }
  void download(void* staged, void const* from, std::size_t bytes) { ++n.downloads, cuda::emulator::download(staged, from, bytes); }
  void copy(void* to, void const* from, std::size_t bytes) { ++n.copies, cuda::emulator::copy(to, from, bytes); }
  template <class Params> void launch(Params const& p) { n.launches += !in_replay, cuda::emulator::launch(p); }
  template <class F> void replay(cuda::graph_key const& key, F&& f) {
    ++n.replays, in_replay = true;
    cuda::emulator::replay(key, f);
    in_replay = false;
  }
};
struct counted : cuda::any_cuda {
  static constexpr char const* name = "counted";
  static constexpr char const* kernels = "counted";
  using executor = counting;
};
using device_model_type = loaded_model<llama, counted, float>;

constexpr int sequences_of_step = 3, page = 16, prompt = 5;
constexpr traffic of_a_step{.uploads = 1, .replays = 1, .launches = 0, .downloads = 1};

/// Three sequences with pages of their own, all of which decode.
struct steps {
  model_config c = config_of(architecture::llama, dtype::f32);
  ops_limits limits{.tokens = 16, .slices = 4, .outputs = 16, .pages = 8, .page = page, .context = 2 * page};
  std::unique_ptr<device_model_type> device = std::make_unique<device_model_type>(c, limits, cuda::emulated::contract);
  int pages[sequences_of_step][2] = {{0, 1}, {2, 3}, {4, 5}};

  std::vector<token> ids;
  std::vector<int> positions, outputs;
  std::vector<slice> slices;

  steps() {
    weights::random_weights source(c, 3);
    device->load(source);
  }
  /// `rows` of each sequence from `first` on; the last of each is an output.
  step next(int first, int rows, std::vector<token> const& input) {
    ids = input;
    positions.clear(), outputs.clear(), slices.clear();
    for (int s = 0; s < sequences_of_step; ++s) {
      slices.push_back({int(positions.size()), rows, first, pages[s]});
      for (int r = 0; r < rows; ++r) positions.push_back(first + r);
      outputs.push_back(int(positions.size()) - 1);
    }
    return {int(ids.size()), ids.data(), positions.data(), sequences_of_step, slices.data(), sequences_of_step, outputs.data()};
  }
};

sampling_params params_of(int s, int position) {
  sampling_params p{.temperature = s == 0 ? 0.0f : 0.7f, .seed = std::uint64_t(s)};
  if (position % 3 == 1 && s == 2) p.top_k = 7, p.top_p = 0.8f;   // now and then a step has a row that truncates
  return p;
}
std::vector<sampling_row> wanted_at(int position) {
  std::vector<sampling_row> w;
  for (int s = 0; s < sequences_of_step; ++s) w.push_back(verbatim::detail::sampling_row_of(params_of(s, position), {}, position, -1, true));
  return w;
}
std::vector<token> prompts(int vocabulary) {
  std::vector<token> out;
  for (int i = 0; i < sequences_of_step * prompt; ++i) out.push_back(token((31 * i + 7) % vocabulary));
  return out;
}

/// The tokens of eight positions by the host's chain, step by step.
std::vector<std::vector<sampled>> by_host() {
  steps s;
  std::vector<std::vector<sampled>> all;
  std::vector<token> input = prompts(s.c.vocabulary);
  for (int i = 0; i < 8; ++i) {
    auto const logits = s.device->forward(i == 0 ? s.next(0, prompt, input) : s.next(prompt + i - 1, 1, input));
    input.clear(), all.emplace_back();
    for (int r = 0; r < sequences_of_step; ++r) {
      auto const stages = full_sampler::prepare(params_of(r, prompt + i), {}, prompt + i);
      all.back().push_back(full_sampler::pick(stages, std::span(logits.data + std::size_t(r) * logits.stride, std::size_t(logits.vocabulary)), {}));
      input.push_back(all.back().back().id);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("device steps: one copy, one replay, one copy back, sampling included, with the next step started before") {
  auto const expected = by_host();
  steps s;
  std::vector<kernel::sampling_result> results(sequences_of_step);
  std::vector<token> const of_before{~0, ~1, ~2};
  auto const check = [&](int i) {
    s.device->finish(std::span(results));
    for (int r = 0; r < sequences_of_step; ++r) {
      CAPTURE(i, r);
      auto const& e = expected[std::size_t(i)][std::size_t(r)];
      CHECK((results[std::size_t(r)].id == e.id && results[std::size_t(r)].logprob == e.logprob && results[std::size_t(r)].rank == e.rank));
    }
  };
  counting::n = {};
  s.device->start(s.next(0, prompt, prompts(s.c.vocabulary)), std::span<sampling_row const>(wanted_at(prompt)));
  CHECK((counting::n.uploads == 1 && counting::n.replays == 0 && counting::n.downloads == 1 && counting::n.copies == 0));   // a prompt: launches
  for (int i = 1; i < 8; ++i) {
    CAPTURE(i);
    auto const wanted = wanted_at(prompt + i);
    counting::n = {};
    s.device->start(s.next(prompt + i - 1, 1, of_before), std::span<sampling_row const>(wanted));
    CHECK(counting::n == of_a_step);
    check(i - 1);
    CHECK(counting::n == of_a_step);
  }
  check(7);
}

TEST_CASE("device steps: rows of the host bring their logits, in runs, and where there are no others nothing is sampled") {
  auto const expected = by_host();
  steps s;
  std::vector<kernel::sampling_result> results(sequences_of_step);
  auto const start = [&](std::vector<sampling_row> const& wanted, int i) {
    std::vector<token> input;
    for (auto const& e : expected[std::size_t(i - 1)]) input.push_back(e.id);
    counting::n = {};
    s.device->start(s.next(prompt + i - 1, 1, input), std::span<sampling_row const>(wanted));
    return s.device->finish(std::span(results));
  };
  auto const picked = [&](logits_view const& logits, int i, int r) {
    auto const stages = full_sampler::prepare(params_of(r, prompt + i), {}, prompt + i);
    return full_sampler::pick(stages, std::span(logits.data + std::size_t(r) * logits.stride, std::size_t(logits.vocabulary)), {}).id;
  };
  s.device->forward(s.next(0, prompt, prompts(s.c.vocabulary)));
  auto wanted = wanted_at(prompt + 1);
  wanted[1] = {};
  auto logits = start(wanted, 1);   // results, and one run of rows
  CHECK(counting::n == traffic{.uploads = 1, .replays = 1, .launches = 0, .downloads = 2});
  CHECK((results[0].id == expected[1][0].id && results[2].id == expected[1][2].id && picked(logits, 1, 1) == expected[1][1].id));
  wanted = wanted_at(prompt + 2);
  wanted[0] = wanted[2] = {};
  logits = start(wanted, 2);   // two runs
  CHECK(counting::n == traffic{.uploads = 1, .replays = 1, .launches = 0, .downloads = 3});
  CHECK((results[1].id == expected[2][1].id && picked(logits, 2, 0) == expected[2][0].id && picked(logits, 2, 2) == expected[2][2].id));
  logits = start(std::vector<sampling_row>(sequences_of_step), 3);   // one run of all
  CHECK(counting::n == of_a_step);
  for (int r = 0; r < sequences_of_step; ++r) CHECK(picked(logits, 3, r) == expected[3][std::size_t(r)].id);
}

TEST_CASE("device steps: the key of a graph is all numbers of a shape, in full") {
  cuda::step_shape const shape{.rows = 1, .sequences = 1, .decoding = 1, .outputs = 1, .leaves = 1};
  std::vector<cuda::graph_key> keys{shape.key()};
  auto const differs = [&](auto&& change) {
    for (int bits : {1, 8, 15, 16, 17, 24, 30}) {
      cuda::step_shape other = shape;
      change(other, 1 + (1 << bits));
      CHECK(std::find(keys.begin(), keys.end(), other.key()) == keys.end());
      keys.push_back(other.key());
    }
  };
  differs([](auto& s, int n) { s.rows = n; });
  differs([](auto& s, int n) { s.outputs = n; });
  differs([](auto& s, int n) { s.leaves = n; });
  differs([](auto& s, int n) { s.runs = n; });
  differs([](auto& s, int n) { s.members = n; });
  for (auto f : {cuda::finishing::draws, cuda::finishing::cuts}) {
    cuda::step_shape other = shape;
    other.finishes = f;
    CHECK(std::find(keys.begin(), keys.end(), other.key()) == keys.end());
    keys.push_back(other.key());
  }
}

TEST_CASE("device steps: pages that forks go on to fill are copied by one launch, and hold what they were copied from") {
  steps s;
  s.device->forward(s.next(0, prompt, prompts(s.c.vocabulary)));
  auto const go_on = [&] {
    auto const logits = s.device->forward(s.next(prompt, 1, {1, 2, 3}));
    return std::vector<float>(logits.data, logits.data + std::size_t(logits.rows) * logits.stride);
  };
  auto const expected = go_on();
  counting::n = {};
  s.device->backend().copy_pages(std::vector<kernel::page_pair>{{0, 6}, {2, 7}, {6, 1}});
  CHECK(counting::n == traffic{.launches = 1});
  s.device->backend().copy_pages(std::vector<kernel::page_pair>());
  CHECK(counting::n == traffic{.launches = 1});
  s.pages[0][0] = 1, s.pages[1][0] = 7;   // the copy of a copy, and a copy
  CHECK(go_on() == expected);
  s.pages[0][0] = 7;
  CHECK_FALSE(go_on() == expected);
}
