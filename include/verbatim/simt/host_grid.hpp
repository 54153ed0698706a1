// The grid on a CPU: `launch(shape, body)` runs a kernel body block by block and throws `defect` at the first thing that a GPU
// would hide. With a seed, blocks and threads run in an order drawn from it: a result that depends on the order shows as other
// bits under another seed. Guarantee: the bits of a correct body are those of any executor that rounds as IEEE 754 asks.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>

#include "verbatim/simt/grid.hpp"
#include "verbatim/simt/host_block.hpp"

namespace verbatim::simt {

/// Elements of shared memory, each access checked.
template <class T> class host_shared {
 public:
  host_shared(host_block* b, place p) : block_(b), place_(p) {}
  T load(int i, location w = location::current()) const { return block_->read<T>(offset(i, 1, w), w); }
  void store(int i, T const& v, location w = location::current()) const { block_->write(offset(i, 1, w), v, w); }
  template <int N> pack<T, N> load_pack(int i, location w = location::current()) const { return block_->read<pack<T, N>>(offset(i, N, w), w); }
  template <int N> void store_pack(int i, pack<T, N> const& v, location w = location::current()) const { block_->write(offset(i, N, w), v, w); }
  template <int N> std::size_t offset_of(int i, location w) const { return offset(i, N, w); }   ///< within the block's shared memory

 private:
  std::size_t offset(int i, int n, location w) const {
    std::size_t const at = std::size_t(place_.offset) + std::size_t(i) * sizeof(T);
    if (i < 0 || i + n > place_.count || at % (std::size_t(n) * sizeof(T))) refuse(i, n, w);
    return at;
  }
  [[noreturn, gnu::noinline]] void refuse(int i, int n, location w) const {   // apart: what is called for every access stays small
    if (i < 0 || i + n > place_.count)
      throw defect(defect::kind::out_of_bounds, "element " + std::to_string(i) + " of " + std::to_string(place_.count) + " shared ones" + host_block::at(w));
    throw defect(defect::kind::misaligned, "shared byte " + std::to_string(std::size_t(place_.offset) + std::size_t(i) * sizeof(T)) + host_block::at(w));
  }
  host_block* block_;
  place place_;
};

class host_grid {
 public:
  host_grid(host_block& b, int thread) : block_(&b), thread_(thread) {}
  int thread() const noexcept { return thread_; }
  int threads() const noexcept { return block_->shape().threads; }
  int block_x() const noexcept { return block_->x(); }
  int block_y() const noexcept { return block_->y(); }
  int block_z() const noexcept { return block_->z(); }

  void sync(location w = location::current()) const { block_->sync(w); }
  void sync_warp(location w = location::current()) const { block_->sync_warp(w); }
  template <class T> T shfl_xor(T v, int mask, location w = location::current()) const { return block_->exchange(v, thread_ % warp_lanes ^ mask, w); }

  template <class T> host_shared<T> shared(place p, location w = location::current()) const {
    if (p.offset < 0 || p.offset % 16 || p.count < 0 || std::size_t(p.offset) + std::size_t(p.count) * sizeof(T) > std::size_t(block_->shape().shared))
      throw defect(defect::kind::out_of_bounds, "shared memory ends before a place does" + host_block::at(w));
    return {block_, p};
  }

  template <class T, class Index> std::remove_const_t<T> load(global<T> m, Index i, location w = location::current()) const {
    check(m.size, std::int64_t(i), 1, w);
    return m.data[i];
  }
  template <class T, class Index> void store(global<T> m, Index i, T v, location w = location::current()) const {
    check(m.size, std::int64_t(i), 1, w);
    block_->stored(m.data, m.size * sizeof(T));
    m.data[i] = v;
  }
  template <int N, class T, class Index> pack<std::remove_const_t<T>, N> load_pack(global<T> m, Index i, location w = location::current()) const {
    check_pack<N>(m, std::int64_t(i), w);
    pack<std::remove_const_t<T>, N> p;
    std::copy_n(m.data + i, N, p.value);
    return p;
  }
  template <int N, class T, class Index> void store_pack(global<T> m, Index i, pack<T, N> const& p, location w = location::current()) const {
    check_pack<N>(m, std::int64_t(i), w);
    block_->stored(m.data, m.size * sizeof(T));
    std::copy_n(p.value, N, m.data + i);
  }

  bool last_to_arrive(global<unsigned> m, int i, int count, location w = location::current()) const {   // blocks run one after another
    check(m.size, i, 1, w);
    bool const is_last = m.data[i] + 1 >= unsigned(count);
    m.data[i] = is_last ? 0 : m.data[i] + 1;
    return is_last;
  }

  /// a b + c, in f64 and rounded once: a GPU may differ in the last bits, but not in what they depend on.
  mma_c mma(mma_a const& a, mma_b const& b, mma_c c, location w = location::current()) const {
    return block_->together(operands{a, b, c}, multiply, "an mma", w).c;
  }
  template <int N, bool Transposed = false> matrices<N> load_matrix(host_shared<bf16> m, int i, location w = location::current()) const {
    struct row { full_pack<bf16> given; matrices<N> got; };
    auto const turn = [](row* all) {
      for (int lane = 0; lane < warp_lanes; ++lane)
        for (int j = 0, pair = lane % 4 * 2; j < N; ++j)
          for (int e = 0; e < 2; ++e)
            all[lane].got.part[j].value[e] = Transposed ? all[8 * j + pair + e].given.value[lane / 4] : all[8 * j + lane / 4].given.value[pair + e];
    };
    row const mine{thread_ % warp_lanes < 8 * N ? m.template load_pack<8>(i, w) : full_pack<bf16>{}, {}};
    return block_->together(mine, turn, "a load of matrices", w).got;
  }

  template <int N, class T, class Index>
  void copy_async(host_shared<std::remove_const_t<T>> to, int i, global<T> from, Index j, location w = location::current()) const {
    static_assert(N * sizeof(T) == 16);
    check_pack<N>(from, std::int64_t(j), w);
    block_->copy_async(to.template offset_of<N>(i, w), from.data + j, 16, w);
  }
  void copy_commit() const { block_->copy_commit(); }
  template <int N> void copy_wait() const { block_->copy_wait(N); }

 private:
  static void check(std::size_t size, std::int64_t i, int n, location w) {
    if (i < 0 || std::size_t(i) + std::size_t(n) > size) refuse(size, i, w);
  }
  [[noreturn, gnu::noinline]] static void refuse(std::size_t size, std::int64_t i, location w) {
    throw defect(defect::kind::out_of_bounds, "element " + std::to_string(i) + " of " + std::to_string(size) + host_block::at(w));
  }
  template <int N, class T> static void check_pack(global<T> m, std::int64_t i, location w) {
    check(m.size, i, N, w);
    if (reinterpret_cast<std::uintptr_t>(m.data + i) % (N * sizeof(T))) throw defect(defect::kind::misaligned, "element " + std::to_string(i) + host_block::at(w));
  }
  struct operands { mma_a a; mma_b b; mma_c c; };
  /// Of a whole warp: c[16][8] += a[16][16] b[16][8], k ascending.
  static void multiply(operands* all) {
    double a[16 * 16], b[16 * 8];
    for (int lane = 0; lane < warp_lanes; ++lane)
      for (int part = 0, row = lane / 4, pair = lane % 4 * 2; part < 4; ++part)
        for (int e = 0; e < 2; ++e) {
          a[(row + part % 2 * 8) * 16 + part / 2 * 8 + pair + e] = double(to_float(all[lane].a.part[part].value[e]));
          if (part < 2) b[(part * 8 + pair + e) * 8 + row] = double(to_float(all[lane].b.part[part].value[e]));
        }
    for (int row = 0; row < 16; ++row) {
      double total[8];
      auto const of_row = [&](int column) -> float& { return all[row % 8 * 4 + column / 2].c.value[row / 8 * 2 + column % 2]; };
      for (int n = 0; n < 8; ++n) total[n] = double(of_row(n));
      for (int k = 0; k < 16; ++k)
        for (int n = 0; n < 8; ++n) total[n] += a[row * 16 + k] * b[k * 8 + n];   // a product of two bf16 is exact in f64
      for (int n = 0; n < 8; ++n) of_row(n) = float(total[n]);
    }
  }
  host_block* block_;
  int thread_;
};

static_assert(tensor_grid<host_grid>);

/// Runs body(host_grid) for every thread of every block. Seed 0: in ascending order.
template <class Body> void launch(launch_shape shape, Body const& body, std::uint64_t seed = 0) { launch_blocks<host_grid, host_block>(shape, body, seed); }

}  // namespace verbatim::simt
