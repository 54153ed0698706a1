// The grid of sm_90a on a CPU: `launch_sm90(shape, body)` runs a kernel body block by block as host_grid.hpp does, and finds what it does
// wrong with barriers, copies, products and registers. Products are plain loops: chains of fma in ascending k – tensor cores
// round otherwise, so bits are compared between kernels and not with a GPU.
#pragma once
#include "verbatim/simt/host_grid.hpp"
#include "verbatim/simt/host_sm90_block.hpp"

namespace verbatim::simt {

/// Shared memory in whole packs of 16 bytes: the model watches 16 bytes at a time.
template <class T> class host_sm90_shared {
 public:
  host_sm90_shared(host_sm90_block* b, place p) : block_(b), place_(p) {}
  full_pack<T> load(int i, location w = location::current()) const {
    full_pack<T> v;
    block_->read(offset(i, w), &v, w);
    return v;
  }
  void store(int i, full_pack<T> const& v, location w = location::current()) const { block_->write(offset(i, w), &v, w); }

 private:
  int offset(int i, location w) const {
    if (i < 0 || i >= place_.count) throw defect(defect::kind::out_of_bounds, "pack " + std::to_string(i) + host_block::at(w));
    return place_.offset + i * 16;
  }
  host_sm90_block* block_;
  place place_;
};

class host_sm90_grid : private host_grid {
 public:
  using rule = protocol_defect::rule;

  /// A thread's part of a [64, N] result. To touch it while products are under way is a defect.
  template <int N> class accumulator {
   public:
    float get(int i, location w = location::current()) {
      if (block_ && block_->completed() < group_) block_->fail(rule::in_flight, "an accumulator is touched before its products are waited for", w);
      if (block_) touched_ = block_->fences();
      return value_[i];
    }

   private:
    friend class host_sm90_grid;
    host_sm90_block* block_ = nullptr;
    std::uint32_t group_ = 0, touched_ = 0;
    float value_[N / 2];
  };

  host_sm90_grid(host_sm90_block& b, int thread) : host_grid(b.plain(), thread), block_(&b) {}
  using host_grid::thread;
  using host_grid::threads;
  int block_x() const noexcept { return block_->x(); }
  int block_y() const noexcept { return block_->y(); }
  int block_z() const noexcept { return block_->z(); }
  int uniform(int i) const noexcept { return i; }
  void sync(location w = location::current()) const { block_->sync(w); }
  void sync_warp(location w = location::current()) const { block_->sync_warp(w); }
  template <class T> host_sm90_shared<T> packs(place p) const { return {block_, p}; }

  // What is stored, and what the launch before may have stored, comes after the wait for that launch.
  template <class T, class Index> auto load(global<T> m, Index i, location w = location::current()) const { return host_grid::load(waited(m, w), i, w); }
  template <class T, class Index> void store(global<T> m, Index i, T v, location w = location::current()) const { host_grid::store(waited(m, w), i, v, w); }
  template <int N, class T, class Index> auto load_pack(global<T> m, Index i, location w = location::current()) const {
    return host_grid::load_pack<N>(waited(m, w), i, w);
  }
  template <int N, class T, class Index> void store_pack(global<T> m, Index i, pack<T, N> const& p, location w = location::current()) const {
    host_grid::store_pack<N>(waited(m, w), i, p, w);
  }

  void barrier_init(barrier b, int arrivals, location w = location::current()) const { block_->barrier_init(b, arrivals, w); }
  void barrier_init_fence() const { block_->proxy_fence(); }
  void arrive(barrier b, location w = location::current()) const { block_->arrive(b, 0, w); }
  void arrive_expect(barrier b, int bytes, location w = location::current()) const { block_->arrive(b, bytes, w); }
  void wait(barrier b, int parity, location w = location::current()) const { block_->wait(b, parity, w); }
  template <class T, class Index>
  void copy_bulk(int to, global<T const> m, Index from, int count, barrier b, eviction, origin of, location w = location::current()) const {
    if (count < 0 || std::size_t(from) + std::size_t(count) > m.size)
      throw defect(defect::kind::out_of_bounds, "a bulk copy ends outside its source" + host_block::at(w));
    block_->copy_bulk(to, m.data + from, std::size_t(count) * sizeof(T), b, of == origin::dependent, w);
  }
  void proxy_fence() const { block_->proxy_fence(); }

  std::uint64_t descriptor(int offset) const { return matrix_descriptor(std::uint32_t(offset)); }
  void mma_fence(location w = location::current()) const {
    block_->in_step({step::fence, 0, 0, 0, w});
    block_->fence();
  }
  template <int N> void multiply(accumulator<N>& c, std::uint64_t a, std::uint64_t b, bool add, location w = location::current()) const {
    static_assert(N % 8 == 0 && N >= 8 && N <= 256);
    block_->in_step({step::multiply, a, b, 2 * N + add, w});
    if (block_->fences() <= c.touched_) block_->fail(rule::no_fence, "a product without a fence since its accumulator was touched", w);
    c.block_ = block_;
    float of_a[2][mma_k], of_b[2][mma_k];
    mma_element const first = accumulator_element(thread(), 0);
    for (int i = 0; i < 2; ++i) row_of(a, first.row + 8 * i, 64, of_a[i], w);
    for (int j = 0; j < N / 8; ++j) {
      for (int i = 0; i < 2; ++i) row_of(b, first.column + 8 * j + i, N, of_b[i], w);
      for (int i = 4 * j; i < 4 * j + 4; ++i) {
        float v = add ? c.value_[i] : 0;
        for (int k = 0; k < mma_k; ++k) v = __builtin_fmaf(of_a[i / 2 % 2][k], of_b[i % 2][k], v);
        c.value_[i] = v;
      }
    }
    c.group_ = block_->issue();
  }
  void mma_commit(location w = location::current()) const {
    block_->in_step({step::commit, 0, 0, 0, w});
    block_->commit();
  }
  template <int Left, int N> void mma_wait(accumulator<N>&, location w = location::current()) const {
    block_->in_step({step::wait, 0, 0, Left, w});
    block_->complete(Left, w);
  }
  template <int Count> void registers_decrease(location w = location::current()) const { registers(Count, false, w); }
  template <int Count> void registers_increase(location w = location::current()) const { registers(Count, true, w); }
  void dependency_wait() const { block_->dependency_wait(); }
  void dependents_may_start() const {}

 private:
  using step = host_sm90_block::step::what;
  template <class M> M waited(M m, location w) const {
    if (!block_->waited()) block_->fail(rule::dependency, "global memory is used without a wait for the launch before", w);
    return m;
  }
  void registers(int count, bool more, location w) const {
    block_->in_step({step::registers, 0, 0, count, w});
    block_->registers(count, more, w);
  }
  /// Sixteen values of a row of a matrix, as hardware finds them: strides first, then the swizzle of the whole address.
  void row_of(std::uint64_t d, int row, int rows, float* out, location w) const {
    auto const field = [d](int bit) { return std::uint32_t(d >> bit & 0x3fff) << 4; };
    if (d >> 62 != 1 || (d >> 49 & 7) != 0) block_->fail(rule::descriptor, "a descriptor of another swizzle than 128 bytes, or with a base offset", w);
    std::uint32_t const start = field(0), stride = field(32);
    if (start / swizzle_row_bytes % swizzle_rows != 0 || start % 32 != 0) block_->fail(rule::descriptor, "a matrix that starts within a pattern", w);
    if (rows > swizzle_rows && stride % swizzle_bytes != 0) block_->fail(rule::descriptor, "eight rows and the next eight have patterns of different phase", w);
    std::uint32_t const at = start + std::uint32_t(row / swizzle_rows) * stride + std::uint32_t(row % swizzle_rows) * swizzle_row_bytes;
    for (std::uint32_t chunk = 0; chunk < 2; ++chunk) block_->product_read(swizzled(at + 16 * chunk), out + 8 * chunk, w);
  }

  host_sm90_block* block_;
};

static_assert(sm90_grid<host_sm90_grid>);

/// Runs body(host_sm90_grid) for every thread of every block. Seed 0: in ascending order.
template <class Body> void launch_sm90(launch_shape shape, Body const& body, std::uint64_t seed = 0) {
  launch_blocks<host_sm90_grid, host_sm90_block>(shape, body, seed);
}

}  // namespace verbatim::simt
