// What a packed matrix is multiplied with: rows of activations, and the same once more in the form that the product reads, made once
// for all panels. Widening rows of bf16 for each panel of 64 outputs cost 5 % of many rows' products.
#pragma once
#include <algorithm>
#include <cstddef>

#include "verbatim/backend/cpu/int8_rows.hpp"
#include "verbatim/backend/cpu/multiply_dot.hpp"
#include "verbatim/backend/cpu/pack.hpp"
#include "verbatim/backend/cpu/packed_linear.hpp"
#include "verbatim/backend/memory.hpp"
#include "verbatim/backend/ops.hpp"

namespace verbatim::cpu {

/// Rows as they are, in f32, or in eight bits.
enum class operand_form { rows, wide, codes };

/// The form in which `rows` rows are multiplied with w. The sums are the same by `rows` and by `wide`; which is faster depends on the
/// processor. One row waits for memory, whichever way; codes of few rows are best widened in registers.
template <class Isa, class T, product By> operand_form form_of(packed_matrix<T> const& w, int rows) noexcept {
  if (w.rounds_activations()) return operand_form::codes;
  if constexpr (has_dot<Isa, T> && By != product::fma) {
    bool const dot = By == product::dot || (w.quantised() ? rows > block_of<Isa>::rows && !fma_pays<Isa>() : rows == 1 || !fma_pays<Isa>());
    return dot ? operand_form::rows : operand_form::wide;
  } else {
    return operand_form::wide;
  }
}

/// Rows and at most one further form of them: `wide` or `codes`; what `form` does not name is empty.
template <class T> struct operand {
  operand_form form;
  rows_of<T> x;
  rows_of<float> wide{};
  int8_rows codes{};
  int rows() const noexcept { return x.rows; }
  operand part(int first, int count) const noexcept { return {form, some(x, first, count), some(wide, first, count), codes.part(first, count)}; }

 private:
  template <class U> static rows_of<U> some(rows_of<U> of, int first, int count) noexcept { return {of.row(first), count, of.columns, of.stride}; }
};

/// Room for one operand of up to `rows` rows of `inputs` values: of bf16, 4 bytes a value; codes, where the format has them, 1.25 bytes.
/// Throws std::bad_alloc at construction; nothing is allocated later.
template <class Isa, class T, product By = product::fastest> class operands {
 public:
  operands(int rows, int inputs, weight_format format)
      : wide_(sizeof(T) == sizeof(float) || (has_dot<Isa, T> && By == product::dot) ? 0 : std::size_t(rows) * stride(inputs)),
        codes_(format == weight_format::w4a8 ? std::size_t(rows) * std::size_t(int8_blocks(inputs)) : 0) {}

  /// x for a product with w; valid until the next. `by_rows(rows, work, f)` calls f(row) for each, the work of a row counted in elements.
  template <class ByRows> operand<T> of(rows_of<T> x, packed_matrix<T> const& w, ByRows&& by_rows) noexcept {
    operand<T> out{form_of<Isa, T, By>(w, x.rows), x};
    if (out.form == operand_form::codes) {
      int const blocks = int8_blocks(w.inputs());
      out.codes = {codes_.data(), x.rows, blocks, std::size_t(blocks)};
      by_rows(x.rows, w.inputs(), [&](int r) { encode_row<vector_of<Isa>>(x.row(r), w.inputs(), out.codes.row(r)); });
    } else if (out.form == operand_form::wide) {
      if constexpr (sizeof(T) == sizeof(float)) {
        out.wide = x;
      } else {
        int const inputs = w.steps() * packed_matrix<T>::word;   // with what an odd number is padded with
        out.wide = {wide_.data(), x.rows, inputs, stride(inputs)};
        by_rows(x.rows, inputs / 4, [&](int r) { widen_row(x.row(r), inputs, out.wide.row(r)); });
      }
    }
    return out;
  }

 private:
  /// An odd number of 256 bytes: by a multiple of a page the rows of a block would share few sets of L1.
  static constexpr std::size_t stride(int inputs) noexcept { return std::size_t(padded(inputs) / panel_outputs | 1) * panel_outputs; }
  static void widen_row(T const* x, int inputs, float* to) noexcept {
    int i = 0;
    for (; i + tree_lanes <= inputs; i += tree_lanes) vector_of<Isa>::load(x + i).store(to + i);
    for (; i < inputs; ++i) to[i] = to_float(x[i]);
  }

  aligned_array<float> wide_;
  aligned_array<int8_block> codes_;
};

}  // namespace verbatim::cpu
