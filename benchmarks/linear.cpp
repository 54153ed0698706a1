// y = x W^T on the shapes of a 0.5 B model: bytes and operations per second at 1 to 512 rows, as percent of the floor that
// this run's own ceilings give (the longer of reading the weights once and doing the arithmetic). Beside it Eigen in f32 on
// one thread. Weights cycle through 200 MB, so that one row reads memory and not a cache. Options: [rounds] (default 5).
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "eigen.hpp"
#include "limits.hpp"
#include "verbatim/backend/cpu/linear.hpp"

namespace {

using namespace verbatim;

constexpr int row_counts[] = {1, 4, 6, 12, 16, 64, 512};   // 6 and 12: one and two whole blocks of rows (cpu::block_of)

template <class T> std::vector<cpu::packed_matrix<T>> weights_of(int outputs, int inputs, weight_format format) {
  std::vector<T> row_major(std::size_t(outputs) * std::size_t(inputs));
  std::uint32_t state = 1;
  for (T& w : row_major) state = state * 1664525u + 1013904223u, w = from_float<T>(float(int(state >> 16) - 32768) / 32768);
  std::vector<cpu::packed_matrix<T>> out;
  std::size_t const copies = std::size_t(200e6 * 8 / (double(row_major.size()) * bits_of(format, 8.0 * sizeof(T)))) + 1;
  for (std::size_t i = 0; i < copies; ++i) {
    out.emplace_back(&outputs, 1, inputs, format);
    for (int p = 0; p < out.back().panels(); ++p) out.back().pack(0, p, row_major.data());
  }
  return out;
}

template <class T> void multiply(cpu::pool& pool, cpu::operands<cpu::native, T>& room, cpu::packed_matrix<T> const& w, rows_of<T> x, rows_of<T> y) {
  int const chunks = std::min(w.panels(), pool.threads() * 8);
  // Widening or rounding activations is part of what is timed.
  auto const operand = room.of(x, w, [&](int rows, int, auto&& f) { pool.run(rows, [&](int r, int) { f(r); }); });
  pool.run(chunks, [&](int chunk, int) {
    for (int p = w.panels() * chunk / chunks; p < w.panels() * (chunk + 1) / chunks; ++p)
      cpu::multiply_panel<cpu::native, T>(w, p, operand, [&](int r, int c, auto v) { v.store(y.row(r) + p * 64 + c); });
  });
}

template <class T> void table(int outputs, int inputs, int threads, int rounds, weight_format format = weight_format::checkpoint) {
  cpu::pool pool(threads);
  auto const weights = weights_of<T>(outputs, inputs, format);
  auto const memory = limits::memory_to_read();
  for (int rows : row_counts) {
    aligned_array<T> x(std::size_t(rows) * std::size_t(inputs)), y(std::size_t(rows) * std::size_t(weights[0].outputs()));
    for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = from_float<T>(float(i % 17) / 16 - 0.5f);
    std::size_t const count = rows > 16 ? std::max<std::size_t>(1, weights.size() / std::size_t(rows / 8)) : weights.size();
    std::vector<double> times, bandwidth, arithmetic;
    cpu::operands<cpu::native, T> room(rows, inputs, format);
    for (int round = 0; round < rounds; ++round) {
      bandwidth.push_back(limits::read_rate(pool, memory));
      arithmetic.push_back(limits::arithmetic_rate<T>(pool));
      times.push_back(limits::seconds_of([&] {
        for (std::size_t i = 0; i < count; ++i)
          multiply<T>(pool, room, weights[i], {x.data(), rows, inputs, std::size_t(inputs)},
                      {y.data(), rows, weights[0].outputs(), std::size_t(weights[0].outputs())});
      }) / double(count));
    }
    double const t = limits::median(times), bytes = double(weights[0].bytes()), operations = 2.0 * outputs * inputs * rows;
    double const read = *std::max_element(bandwidth.begin(), bandwidth.end()), peak = *std::max_element(arithmetic.begin(), arithmetic.end());
    double const floor = std::max(bytes / read, operations / peak);
    char const* const name = format != weight_format::checkpoint ? name_of(format).data() : sizeof(T) == 2 ? "bf16" : "f32";
    std::printf("%-4s %5d x %5d  threads %d  rows %3d  %7.1f GB/s of %5.1f  %7.1f GFLOP/s of %6.1f  %5.1f%% of floor\n",
                name, outputs, inputs, threads, rows, bytes / t / 1e9, read / 1e9, operations / t / 1e9,
                peak / 1e9, 100 * floor / t);
    std::fflush(stdout);
  }
}

#if WITH_EIGEN
void eigen_table(int outputs, int inputs, int rounds) {
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  std::vector<matrix> weights(std::max<std::size_t>(1, 200'000'000 / (std::size_t(outputs) * std::size_t(inputs) * 4)));
  for (auto& w : weights) w = matrix::Random(outputs, inputs);
  for (int rows : row_counts) {
    matrix const x = matrix::Random(rows, inputs);
    matrix y(rows, outputs);
    std::size_t const count = rows > 16 ? std::max<std::size_t>(1, weights.size() / std::size_t(rows / 8)) : weights.size();
    std::vector<double> times;
    for (int round = 0; round < rounds; ++round)
      times.push_back(limits::seconds_of([&] {
        for (std::size_t i = 0; i < count; ++i) y.noalias() = x * weights[i].transpose();
      }) / double(count));
    double const t = limits::median(times);
    std::printf("Eigen f32 %5d x %5d  threads 1  rows %3d  %7.1f GB/s  %7.1f GFLOP/s\n", outputs, inputs, rows,
                4.0 * outputs * inputs / t / 1e9, 2.0 * outputs * inputs * rows / t / 1e9);
  }
}
#endif

}  // namespace

int main(int argc, char** argv) {
  int const rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  std::printf("%s, %u cores\n", cpu::native::name, std::thread::hardware_concurrency());
  for (int threads : {1, 2}) {
    table<bf16>(9728, 896, threads, rounds);
    table<bf16>(896, 4864, threads, rounds);
    table<float>(896, 4864, threads, rounds);
    for (auto format : {weight_format::int8, weight_format::int4, weight_format::w4a8}) table<bf16>(896, 4864, threads, rounds, format);
  }
#if WITH_EIGEN
  eigen_table(9728, 896, rounds);
  eigen_table(896, 4864, rounds);
#endif
}
