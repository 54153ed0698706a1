// Weights from tensors into device memory, and back. Tensors of the host are converted there and go through two staging areas by turns,
// piece by piece, so that one is filled while the other is copied: the longer of a pass over the tensor by one thread and a copy, whose
// floor is the bus. Tensors of the device are copied, or converted by a kernel: the floor is the device's bandwidth, and the source must
// stay as it is until wait() or the next step's end. What comes from the host is there when a member returns.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/core/bf16.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/kernel/convert.hpp"
#include "verbatim/kernel/sm90/tiles.hpp"

namespace verbatim::cuda {

template <class Executor, std::size_t PieceBytes = std::size_t(4) << 20> class weight_store {
 public:
  static constexpr std::size_t piece_bytes = PieceBytes;   ///< of each staging area
  explicit weight_store(Executor& e) : executor_(e), staged_(2 * piece_bytes) {}

  /// to[i] = T(t[i]).
  template <class T> void convert(T* to, tensor const& t, std::size_t count) {
    if (t.where == memory_space::device) return convert_there<T>(to, t, count);
    to_its_end([&] { convert_here(to, t, count); });
  }
  /// to[i] = float(T(t[i])).
  template <class T> void widen(float* to, tensor const& t, std::size_t count) {
    if (t.where == memory_space::device) return convert_there<T>(to, t, count);
    to_its_end([&] { with_elements(t, [&](auto const* from) { pieces(to, count, [&](float* piece, std::size_t first, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) piece[i] = to_float(from_float<T>(to_float(from[first + i])));
    }); }); });
  }
  /// Rows of a part into the tiles of a matrix, through a piece of device memory where they do not lie there in bf16 already.
  template <class Matrix> void load_tiles(Matrix& to, int part, tensor const& t) {
    std::size_t const k = std::size_t(to.columns());
    int const all = to.rows(part), most = std::max(1, int(piece_bytes / sizeof(bf16) / k));
    auto const tile = [&](bf16 const* from, int first, int rows) {
      executor_.launch(kernel::sm90::tile_weights{{{from, std::size_t(rows) * k}, to.all(), rows, int(k)}, first_of(to, part) + first, to.alternates() ? part : -1});
    };
    bool const aligned = reinterpret_cast<std::uintptr_t>(t.data) % 16 == 0;   // for 16-byte loads; buckets promise less
    if (t.where == memory_space::device && t.type == dtype::bf16 && aligned) return tile(static_cast<bf16 const*>(t.data), 0, all);
    make_bounce(std::size_t(most) * k);
    auto const rows_by_rows = [&](auto&& bring) {
      for (int first = 0; first < all; first += most) {
        int const rows = std::min(most, all - first);
        tensor piece = t;
        piece.data = static_cast<std::byte const*>(t.data) + std::size_t(first) * k * size_of(t.type);
        bring(piece, std::size_t(rows) * k);
        tile(bounce_.data(), first, rows);
      }
    };
    if (t.where == memory_space::device) rows_by_rows([&](tensor const& piece, std::size_t count) { convert_there<bf16>(bounce_.data(), piece, count); });
    else to_its_end([&] { rows_by_rows([&](tensor const& piece, std::size_t count) { convert_here(bounce_.data(), piece, count); }); });
  }
  template <class Matrix> void read_tiles(bf16* to, Matrix const& from, int part, int row) {
    std::size_t const k = std::size_t(from.columns());
    make_bounce(k);
    executor_.launch(kernel::sm90::untile_weights{{{from.all(), {bounce_.data(), k}, 1, int(k)}, first_of(from, part) + row, from.alternates() ? part : -1}});
    read(to, static_cast<bf16 const*>(bounce_.data()), k);
  }

  /// The values of t, wherever it lies, as f32.
  std::vector<float> values_of(tensor const& t) {
    std::size_t const count = std::size_t(t.shape.elements());
    std::vector<float> out(count);
    with_elements(t, [&]<class From>(From const* from) {
      if (t.where == memory_space::host) return void(std::transform(from, from + count, out.begin(), [](From x) { return to_float(x); }));
      each_piece<From>(count, [&](From* piece, std::size_t first, std::size_t n) {
        executor_.download(piece, from + first, n * sizeof(From));
        executor_.wait();
        for (std::size_t i = 0; i < n; ++i) out[first + i] = to_float(piece[i]);
      });
    });
    return out;
  }
  template <class T> void write(T* to, T const* from, std::size_t count) {
    to_its_end([&] { pieces(to, count, [&](T* piece, std::size_t first, std::size_t n) { std::copy_n(from + first, n, piece); }); });
  }
  template <class T> void read(T* to, T const* from, std::size_t count) {
    each_piece<T>(count, [&](T* piece, std::size_t first, std::size_t n) {
      executor_.download(piece, from + first, n * sizeof(T));
      executor_.wait();
      std::copy_n(piece, n, to + first);
    });
  }
  template <class T> void narrow(T* to, float const* from, std::size_t count) {
    each_piece<float>(count, [&](float* piece, std::size_t first, std::size_t n) {
      executor_.download(piece, from + first, n * sizeof(float));
      executor_.wait();
      for (std::size_t i = 0; i < n; ++i) to[first + i] = from_float<T>(piece[i]);
    });
  }

 private:
  template <class Matrix> static int first_of(Matrix const& m, int part) { return m.alternates() ? 0 : m.offset(part); }
  template <class F> static void with_elements(tensor const& t, F&& f) {
    if (t.type == dtype::f32) f(static_cast<float const*>(t.data));
    else if (t.type == dtype::bf16) f(static_cast<bf16 const*>(t.data));
    else f(static_cast<f16 const*>(t.data));
  }
  void make_bounce(std::size_t elements) {
    if (bounce_.size() >= elements) return;
    executor_.wait();   // what is enqueued may read the one that goes
    executor_.select();   // the thread that loads may be another one than the one that made this
    bounce_ = device_array<Executor, bf16>(std::max(elements, piece_bytes / sizeof(bf16)));
  }
  /// to[i] = To(T(t[i])), both in device memory.
  template <class T, class To> void convert_there(To* to, tensor const& t, std::size_t count) {
    with_elements(t, [&]<class From>(From const* from) {
      if constexpr (std::is_same_v<From, To> && (std::is_same_v<T, To>)) return executor_.copy(to, from, count * sizeof(To));
      constexpr std::size_t most = std::size_t(1) << 30;   // of a launch: indices are int
      for (std::size_t first = 0; first < count; first += most) {
        std::size_t const n = std::min(most, count - first);
        executor_.launch(kernel::convert_params<T, To, From>{{from + first, n}, {to + first, n}, int(n)});
      }
    });
  }
  template <class T, class F> void each_piece(std::size_t count, F&& f) {
    std::size_t const most = piece_bytes / sizeof(T);
    for (std::size_t first = 0; first < count; first += most) f(reinterpret_cast<T*>(staged_.data()), first, std::min(most, count - first));
  }
  template <class T> void convert_here(T* to, tensor const& t, std::size_t count) {
    with_elements(t, [&]<class From>(From const* from) { pieces(to, count, [&](T* piece, std::size_t first, std::size_t n) {
      if constexpr (std::is_same_v<From, T>) std::memcpy(piece, from + first, n * sizeof(T));
      else for (std::size_t i = 0; i < n; ++i) piece[i] = from_float<T>(to_float(from[first + i]));
    }); });
  }
  /// The staging areas by turns, each filled once what was last uploaded from it is there. Only within to_its_end.
  template <class T, class F> void pieces(T* to, std::size_t count, F&& fill) {
    std::size_t const most = piece_bytes / sizeof(T);
    for (std::size_t first = 0; first < count; first += most) {
      int const which = int(turn_++ % 2);
      std::size_t const n = std::min(most, count - first);
      T* const piece = reinterpret_cast<T*>(staged_.data() + std::size_t(which) * piece_bytes);
      executor_.wait(first_mark + which);
      fill(piece, first, n);
      executor_.upload(to + first, piece, n * sizeof(T));
      executor_.mark(first_mark + which);
    }
  }
  /// f, and then nothing reads the staging areas any more; also where f throws, so that they may go.
  template <class F> void to_its_end(F&& f) {
    try {
      f();
    } catch (...) {
      try {
        executor_.wait();
      } catch (...) {}   // the first failure is the one that is told
      throw;
    }
    executor_.wait();
  }

  static constexpr int first_mark = 2;   // of the executor's: one a staging area
  Executor& executor_;
  staging_array<Executor, unsigned char> staged_;   // two areas of piece_bytes; what comes from the device goes through the first
  unsigned turn_ = 0;
  device_array<Executor, bf16> bounce_;   // of tiles: made when it is first needed
};

}  // namespace verbatim::cuda
