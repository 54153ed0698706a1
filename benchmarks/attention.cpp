// Attention alone on the shapes of a 0.5 B model: decoding sequences with pages of their own and with a prompt in common, and prompts, as
// percent of the floor that this run's ceilings give: the longer of reading the keys and values once and doing the arithmetic of
// scores and sums by f32 fma, which is what attention uses. Layers take turns, so that keys and values come from memory. Beside
// it Eigen in f32 on one thread, whole rows of scores at once. Options: [rounds] (default 5).
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "eigen.hpp"
#include "limits.hpp"
#include "verbatim/backend/cpu/attention.hpp"
#include "verbatim/backend/cpu/leaf_attention.hpp"

namespace {

using namespace verbatim;

constexpr int heads = 14, kv_heads = 2, head_dim = 64, page = 64, leaf = 256;

double operations_of(double queries_times_keys) { return 4.0 * heads * head_dim * queries_times_keys; }

/// `batch` sequences with `rows` new rows each at the end of `context` positions; `shared`: of the pages all but the last are the same.
void measure(int batch, int rows, int context, bool shared, int threads, int rounds) {
  cpu::pool pool(threads);
  int const pages_each = (context + page - 1) / page, whole = shared ? (context - rows) / page : 0;
  int const pages = whole + batch * (pages_each - whole);
  double const layer_bytes = 2.0 * pages * page * kv_heads * head_dim * sizeof(bf16);
  int const layers = std::clamp(int(200e6 / layer_bytes), 1, 24);
  cpu::kv_store<bf16> kv(layers, pages, page, kv_heads, head_dim);
  std::vector<int> tables(std::size_t(batch) * std::size_t(pages_each));
  for (int s = 0; s < batch; ++s)
    for (int p = 0; p < pages_each; ++p) tables[std::size_t(s * pages_each + p)] = p < whole ? p : whole + s * (pages_each - whole) + p - whole;
  std::vector<bf16> vector(head_dim);
  std::uint32_t state = 1;
  auto const fill = [&](bf16* to, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) state = state * 1664525u + 1013904223u, to[i] = to_bf16(float(int(state >> 16) - 32768) / 32768);
  };
  for (int l = 0; l < layers; ++l)
    for (int p = 0; p < pages; ++p)
      for (int h = 0; h < kv_heads; ++h)
        for (int at = 0; at < page; ++at) fill(vector.data(), vector.size()), kv.append(l, p, h, at, vector.data(), vector.data());

  model_config config;
  config.heads = heads, config.kv_heads = kv_heads, config.head_dim = head_dim;
  int const all = batch * rows;
  ops_limits const limits{.tokens = all, .slices = batch, .outputs = 1, .pages = pages, .page = page, .context = context, .threads = threads};
  cpu::attention<cpu::native, bf16, cpu::leaf_attention::policy> attention(kv, config, limits, leaf);
  std::vector<slice> slices;
  for (int s = 0; s < batch; ++s) slices.push_back({s * rows, rows, context - rows, tables.data() + s * pages_each});
  step step{};
  step.tokens = all, step.slices = batch, step.slice_of = slices.data();
  aligned_array<bf16> q(std::size_t(all) * heads * head_dim), out(q.size());
  fill(q.data(), q.size());
  rows_of<bf16> const from{q.data(), all, heads * head_dim, std::size_t(heads * head_dim)}, to{out.data(), all, heads * head_dim, std::size_t(heads * head_dim)};

  auto const memory = limits::memory_to_read();
  double read = 0, peak = 0;
  std::vector<double> times;
  for (int round = -1; round < rounds; ++round) {
    read = std::max(read, limits::read_rate(pool, memory)), peak = std::max(peak, limits::arithmetic_rate<float>(pool));
    double const t = limits::seconds_of([&] {
      attention.begin(step);
      for (int l = 0; l < layers; ++l) attention(pool, from, to, l, 0);
    });
    if (round >= 0) times.push_back(t / layers);
  }
  double const t = limits::median(times), seen = double(batch) * rows * (context - (rows - 1) / 2.0);
  double const floor = std::max(layer_bytes / read, operations_of(seen) / peak);
  std::printf("%-7s batch %2d  rows %4d  context %5d%s  threads %d  %8.3f ms a layer  %6.1f GB/s of %5.1f  %6.1f GFLOP/s of %6.1f  %5.1f%% of floor\n",
              rows == 1 ? "decode" : "prefill", batch, rows, context, shared ? " shared" : "       ", threads, t * 1e3, layer_bytes / t / 1e9, read / 1e9,
              operations_of(seen) / t / 1e9, peak / 1e9, 100 * floor / t);
  std::fflush(stdout);
}

#if WITH_EIGEN
void eigen(int rows, int context, int rounds) {
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  int const group = heads / kv_heads;
  matrix const q = matrix::Random(rows * group, head_dim), k = matrix::Random(context, head_dim), v = matrix::Random(context, head_dim);
  matrix out(rows * group, head_dim);
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round)
    times.push_back(kv_heads * limits::seconds_of([&] {
      matrix scores = q * k.transpose() / 8.0f;
      scores.colwise() -= scores.rowwise().maxCoeff().eval();
      scores = scores.array().exp();
      out.noalias() = scores * v;
      out.array().colwise() /= scores.rowwise().sum().array();
    }));
  double const t = limits::median(times);
  std::printf("Eigen f32, no mask  rows %4d  context %5d  threads 1  %8.3f ms a layer  %6.1f GFLOP/s\n", rows, context, t * 1e3,
              operations_of(double(rows) * context) / t / 1e9);
}
#endif

}  // namespace

int main(int argc, char** argv) {
  int const rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  std::printf("%s, %u cores; %d query heads, %d of keys and values, %d wide, bf16\n", cpu::native::name, std::thread::hardware_concurrency(), heads, kv_heads, head_dim);
  for (int threads : {1, 2}) {
    measure(1, 1, 8192, false, threads, rounds);
    for (bool shared : {false, true}) measure(32, 1, 1024, shared, threads, rounds);
    measure(1, 512, 512, false, threads, rounds);
    measure(1, 512, 4096, false, threads, rounds);
  }
#if WITH_EIGEN
  eigen(1, 8192, rounds);
  eigen(512, 512, rounds);
  eigen(512, 4096, rounds);
#endif
}
