// The library's own kernels alone on a GPU, each as percent of its floor at the rates that this run measures first: products (our own, and
// the library's that `fastest` uses) of the models' matrices, attention of decoding and of prompts, sampling, a refit from the device's
// memory. Medians of runs, by events; a run is a graph of launches over more memory than the caches hold. One JSON object a line.
//   bench_gpu_kernels [--dry] [--runs N] [--only WHAT,...] CONFIG.json...      WHAT: products, decode, shared, prefill, sampling, refit
// --dry: everything once under the emulator, small and untimed. Exit code 77: there is no GPU here. Needs up to 40 GiB of its memory.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string_view>

#include "gpu_attention.hpp"
#include "gpu_bench.hpp"
#include "../cmake/separate/emulated/kernels.hpp"
#include "verbatim/backend/cuda/library_linear.hpp"
#include "verbatim/backend/cuda/ops.hpp"
#include "verbatim/model/llama.hpp"
#include "verbatim/model/loaded_model.hpp"
#include "verbatim/weights/config_json.hpp"
#include "verbatim/weights/expected.hpp"

namespace {

using namespace gpu_bench;

struct shape {
  std::string name;
  model_config config;
};

/// y = x w^T for every number of rows. Of a part that multiplies tiles, twice: x in tiles already, as engines have it where the kernel before
/// stores them, and x in rows, which the part puts into tiles first.
template <class Linear, class Out, class Executor>
void products(bench<Executor>& b, char const* part, std::string const& model, char const* matrix, int outputs, int k, std::vector<int> const& all_rows) {
  constexpr bool tiled = Linear::template tiled<bf16>;
  std::size_t const elements = tiled ? kernel::sm90::weight_elements(outputs, k) : std::size_t(outputs) * std::size_t(k);
  int const copies = bench<Executor>::copies_of(elements * sizeof(bf16)), most = *std::max_element(all_rows.begin(), all_rows.end());
  json const row{{"what", "product"}, {"part", part}, {"shape", model}, {"matrix", matrix}, {"outputs", outputs}, {"k", k}};
  where_it_fits(row, [&] {
    auto const w = random_array<Executor, bf16>(std::size_t(copies) * elements), x = random_array<Executor, bf16>(std::size_t(most) * std::size_t(k));
    cuda::device_array<Executor, Out> const y(std::size_t(most) * std::size_t(outputs));
    cuda::device_array<Executor, bf16> const scratch(Linear::template row_room<bf16>(most, k)), in_tiles(scratch.size());
    cuda::device_array<Executor, float> const partial(Linear::partial_room({outputs, k, most}, Executor::processors));
    for (int rows : all_rows) {
      std::size_t const in = std::size_t(rows) * std::size_t(k), out = std::size_t(rows) * std::size_t(outputs);
      auto const of_x = [&](char const* lies, kernel::global<bf16 const> read, int groups) {
        auto const t = b.seconds_of(std::max(copies, 2), [&](int i) {
          kernel::global<bf16 const> const weights{w.data() + std::size_t(i % copies) * elements, elements};
          cuda::product<bf16, Out> const p{read, weights, {}, {}, {y.data(), out}, rows, outputs, k, groups};
          Linear::enqueue(b.executor, p, cuda::product_scratch<bf16>{scratch, partial});
        });
        json of_rows = row;
        of_rows["rows"] = rows, of_rows["x"] = lies;
        double const bytes = 2.0 * (double(outputs) * k + double(in)) + double(sizeof(Out)) * double(out);
        b.report(of_rows, bytes, 2.0 * double(in) * outputs, t);
      };
      if constexpr (tiled) {
        int const groups = Linear::groups(rows);
        kernel::global<bf16> const tiles{in_tiles.data(), kernel::sm90::activation_elements(groups, k)};
        b.executor.launch(kernel::sm90::tile_activations{{{x.data(), in}, tiles, rows, k}, groups});
        b.executor.wait();
        of_x("tiles", tiles, groups);
      }
      of_x("rows", {x.data(), in}, 0);
    }
  });
}

/// Why cuBLASLt multiplies nothing here; empty where it does.
template <class Executor> std::string without_library() {
  if constexpr (std::is_same_v<Executor, cuda::gpu>) {
    try {
      cuda::open_library();
    } catch (error const& e) {
      return e.what();
    }
  }
  return {};
}

template <class Executor> void products_of(bench<Executor>& b, shape const& s, std::vector<int> const& rows) {
  model_config const& c = s.config;
  std::string const missing = without_library<Executor>();
  if (!missing.empty()) b.print({{"what", "product"}, {"part", "library_linear"}, {"shape", s.name}, {"failed", missing}});
  int const q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim;
  auto const both = [&]<class Out>(char const* matrix, int outputs, int k, std::vector<int> const& of_rows) {
    products<cuda::tensor_linear, Out>(b, "tensor_linear", s.name, matrix, outputs, k, of_rows);
    if (missing.empty()) products<cuda::library_linear, Out>(b, "library_linear", s.name, matrix, outputs, k, of_rows);
  };
  both.template operator()<bf16>("qkv", q + 2 * kv, c.hidden, rows);
  both.template operator()<bf16>("o", c.hidden, q, rows);
  both.template operator()<bf16>("gate_up", 2 * c.intermediate, c.hidden, rows);
  both.template operator()<bf16>("down", c.hidden, c.intermediate, rows);
  std::vector<int> of_head;   // outputs of a step, at most
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(of_head), [](int n) { return n <= 256; });
  both.template operator()<float>("head", c.vocabulary, c.hidden, of_head);
}

/// Tokens of rows of logits: temperature and noise alone, which is what trainers ask for, and with top_p.
template <class Executor> void sampling(bench<Executor>& b, int vocabulary, std::vector<int> const& all_rows) {
  for (int rows : all_rows)
    for (float top_p : {1.0f, 0.95f}) {
      std::size_t const count = std::size_t(rows) * std::size_t(vocabulary);
      json const row{{"what", "sampling"}, {"vocabulary", vocabulary}, {"rows", rows}, {"top_p", double(top_p)}};
      where_it_fits(row, [&] {
        int const copies = bench<Executor>::copies_of(count * sizeof(float));
        auto const values = random_array<Executor, bf16>(count);
        cuda::device_array<Executor, float> const logits(std::size_t(copies) * count);
        cuda::device_array<Executor, kernel::sampling_row> const wanted(static_cast<std::size_t>(rows));
        cuda::device_array<Executor, kernel::sampling_result> const results(wanted.size());
        cuda::staging_array<Executor, kernel::sampling_row> const staged(wanted.size());
        cuda::device_array<Executor, float> const cuts(wanted.size());
        cuda::device_array<Executor, kernel::drawn_piece> const drawn(kernel::piece_room(rows, Executor::processors));
        cuda::device_array<Executor, kernel::summed_piece> const summed(drawn.size());
        cuda::device_array<Executor, unsigned> const arrived(wanted.size());
        for (int i = 0; i < copies; ++i)
          b.executor.launch(kernel::convert_params<float, float, bf16>{values, {logits.data() + std::size_t(i) * count, count}, int(count)});
        for (int r = 0; r < rows; ++r) {   // values of [-1, 1) at a tenth of their temperature: a few hundred ids have most of the mass
          kernel::sampling_row& w = staged.data()[r];
          w.wanted = kernel::sampling_row::what::sample, w.temperature = 0.1f, w.top_p = top_p, w.noise = 1, w.position = r, w.seed = 7;
        }
        b.executor.upload(wanted.data(), staged.data(), wanted.bytes());
        auto const t = b.seconds_of(std::max(copies, 2), [&](int i) {
          kernel::sampling_work const p{{logits.data() + std::size_t(i % copies) * count, count}, wanted, results, {cuts.data(), top_p < 1 ? cuts.size() : 0},
                                        drawn, summed, arrived,
                                        rows, vocabulary, kernel::pieces_for(rows, vocabulary, Executor::processors), kernel::room_for(vocabulary)};
          if (top_p < 1) b.executor.launch(kernel::sample_cuts{p});
          b.executor.launch(kernel::sample_draws{p});
          b.executor.launch(kernel::sample_sums{p});
        });
        b.report(row, double(count) * sizeof(float), 0, t);
      });
    }
}

/// New weights for a whole model out of the device's own memory, by the host's clock: what a trainer on the same GPU waits for.
template <class Device, class Executor> void refit(bench<Executor>& b, shape const& s) {
  model_config c = s.config;
  c.arch = architecture::llama, c.type = dtype::bf16, c.attention_bias = c.output_bias = false, c.window = 0;   // one model for all: shapes are what counts
  where_it_fits({{"what", "refit"}, {"shape", s.name}}, [&] {
    loaded_model<llama, Device, bf16> model(c, {.tokens = 8, .slices = 1, .outputs = 1, .pages = 1, .page = 64}, Device::contract);
    auto const expected = weights::expected_tensors(c);
    std::vector<cuda::device_array<Executor, bf16>> memory;
    std::vector<tensor> tensors;
    double bytes = 0;
    for (auto const& t : expected) {
      auto const& values = memory.emplace_back(random_array<Executor, bf16>(std::size_t(t.shape.elements())));
      tensors.push_back({t.name, dtype::bf16, t.shape, values.data(), memory_space::device});
      bytes += double(values.bytes());
    }
    model.check_weights(tensors);
    std::vector<double> seconds;
    for (int i = -1; i < b.runs; ++i) {
      auto const start = std::chrono::steady_clock::now();
      model.replace_weights(tensors);
      if (i >= 0) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(seconds.begin(), seconds.end());
    times t{seconds[seconds.size() / 2], seconds.front(), seconds.back()};
    if (!is_gpu<Executor>) t = {};
    b.report({{"what", "refit"}, {"shape", s.name}, {"tensors", tensors.size()}}, 2 * bytes, 0, t);   // read and written
  });
}

struct sizes {
  std::vector<int> rows, contexts, batches, prompts, sampled;
};

using words = std::set<std::string, std::less<>>;

template <class Device> void measure(bench<typename Device::executor>& b, std::vector<shape> const& shapes, words const& only, sizes const& n) {
  auto const wanted = [&](std::string_view what) { return only.empty() || only.contains(what); };
  int const prefix = n.contexts.back() / 4, own = n.contexts.front() / 4;
  std::set<int> vocabularies;
  shape const* largest = &shapes.front();
  for (shape const& s : shapes) {
    if (wanted("decode"))
      for (int context : n.contexts)
        for (int batch : n.batches) decode_attention(b, s.name, s.config, {.batch = batch, .context = context});
    if (wanted("shared"))
      for (int batch : n.batches)
        if (batch > 1) decode_attention(b, s.name, s.config, {.batch = batch, .context = prefix + own, .shared = prefix});
    if (wanted("prefill"))
      for (int prompt : n.prompts) prefill_attention(b, s.name, s.config, prompt);
    if (wanted("sampling") && vocabularies.insert(s.config.vocabulary).second) sampling(b, s.config.vocabulary, n.sampled);
    if (s.config.layers * s.config.hidden > largest->config.layers * largest->config.hidden) largest = &s;
  }
  if (wanted("refit")) refit<Device>(b, *largest);
  for (auto const& s : shapes)
    if (wanted("products")) products_of(b, s, n.rows);
}

void split_words(std::string_view text, words& to) {
  while (!text.empty()) {
    std::size_t const end = std::min(text.find(','), text.size());
    to.emplace(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  bool dry = false, wrong = false;
  int runs = 7;
  words only;
  std::vector<shape> shapes;
  try {
    for (int i = 1; i < argc; ++i) {
      std::string const word = argv[i];
      if (word == "--dry") dry = true;
      else if (word == "--runs" && i + 1 < argc) runs = std::max(5, std::atoi(argv[++i]));
      else if (word == "--only" && i + 1 < argc) split_words(argv[++i], only);
      else if (!word.starts_with("-")) shapes.push_back({std::filesystem::path(word).stem().string(), read_config(word).config});
      else wrong = true;
    }
    for (auto const& what : only) wrong |= !words{"products", "decode", "shared", "prefill", "sampling", "refit"}.contains(what);
    if (wrong || shapes.empty()) {
      std::fprintf(stderr, "usage: bench_gpu_kernels [--dry] [--runs N] [--only products,decode,shared,prefill,sampling,refit] CONFIG.json...\n");
      return 2;
    }
    if (dry) {
      bench<cuda::emulator> b;
      b.runs = 1;
      measure<cuda::emulated>(b, shapes, only, {.rows = {1, 65}, .contexts = {300, 1100}, .batches = {1, 3}, .prompts = {70}, .sampled = {2}});
      return 0;
    }
    if (cuda::gpu_count() == 0) {
      std::fprintf(stderr, "no CUDA device can be used here: %s. Nothing was measured (--dry runs everything once under the emulator)\n", cuda::why_no_gpu().c_str());
      return 77;
    }
    bench<cuda::gpu> b;
    b.runs = runs;
    b.of = {cuda::measure_read_rate(), cuda::measure_product_rate()};
    b.print({{"what", "rates"}, {"name", cuda::properties_of_gpu().name}, {"read_gb_per_second", b.of.read / 1e9}, {"bf16_tflop_per_second", b.of.product / 1e12}});
    sizes const all{.rows = {1, 8, 64, 256, 2048}, .contexts = {1024, 8192, 32768}, .batches = {1, 8, 64}, .prompts = {2048, 8192}, .sampled = {1, 64, 256}};
    measure<cuda::sm90>(b, shapes, only, all);
    return 0;
  } catch (error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
