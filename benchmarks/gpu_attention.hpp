// Attention alone, enqueued as a backend enqueues it: keys and values of random numbers in pages of 64, leaves of 256. Layers of an
// engine follow one another, so launches go through as many layers as make the caches of no use.
#pragma once
#include <numeric>

#include "gpu_bench.hpp"
#include "verbatim/backend/cuda/parts.hpp"
#include "verbatim/backend/cuda/step_tables.hpp"
#include "verbatim/core/model_config.hpp"

namespace gpu_bench {

inline constexpr int page = 64, leaf = 256;

/// Sequences that decode a row each, every one with `context` keys, of which the first `shared` are common to all.
struct decoding {
  int batch, context, shared = 0;
};

/// A step's tables, queries, and keys and values of some layers.
template <class Executor> struct attention_bench {
  model_config const& config;
  std::vector<std::vector<int>> pages{};
  std::vector<slice> slices{};
  std::vector<int> positions{};
  std::vector<token> ids{};
  int pages_in_all = 0;

  void sequence(int rows, int first_position, std::vector<int> pages_of) {
    int const first_row = int(positions.size());
    for (int r = 0; r < rows; ++r) positions.push_back(first_position + r), ids.push_back(0);
    for (int p : pages_of) pages_in_all = std::max(pages_in_all, p + 1);
    pages.push_back(std::move(pages_of));
    slices.push_back({first_row, rows, first_position, nullptr});
  }
  void run(bench<Executor>& b, json row, int context, double bytes, double flop) {
    for (std::size_t i = 0; i < slices.size(); ++i) slices[i].pages = pages[i].data();
    model_config const& c = config;
    int const rows = int(positions.size()), count = int(slices.size()), output = 0, columns = c.heads * c.head_dim;
    where_it_fits(row, [&] {
      cuda::step_tables<Executor> tables({.tokens = rows, .slices = count, .outputs = count, .pages = pages_in_all, .page = page, .context = context}, leaf, true);
      auto const shape = tables.fill(b.executor, {rows, ids.data(), positions.data(), count, slices.data(), 1, &output}, 0);
      b.executor.wait();
      std::size_t const layer = std::size_t(pages_in_all) * std::size_t(page * c.kv_heads * c.head_dim), queries = std::size_t(shape.rows) * std::size_t(columns);
      int const copies = bench<Executor>::copies_of(4 * layer);
      auto const kv = random_array<Executor, bf16>(2 * std::size_t(copies) * layer), q = random_array<Executor, bf16>(queries);
      cuda::device_array<Executor, bf16> const out(queries);
      bool const split = shape.decoding > 0;
      std::size_t const partial_room = split ? std::size_t(shape.rows) * std::size_t(c.heads * shape.leaves) * std::size_t(c.head_dim + 2) : 0;
      cuda::device_array<Executor, float> const partial(partial_room);
      auto const t = b.seconds_of(std::max(copies, 2), [&](int i) {
        bf16* const keys = kv.data() + 2 * std::size_t(i % copies) * layer;
        kernel::paged_kv<bf16> const of_layer{{keys, layer}, {keys + layer, layer}, page, c.kv_heads, c.head_dim};
        auto const of = tables.sequences(0, shape.sequences);
        kernel::attention_params<bf16> const p{q, out, of_layer, of, c.heads, shape.rows, leaf, 0, shape.longest, shape.leaves, partial};
        cuda::attention_step how{.positions = tables.positions(), .split = split};
        if (split && shape.runs > 0)
          how.runs = tables.runs(), how.members = tables.members(), how.shared_leaves = tables.shared_leaves(), how.most_members = shape.members;
        cuda::tensor_attention::enqueue(b.executor, p, how);
      });
      if (shape.runs > 0) row["runs"] = shape.runs;
      b.report(row, bytes, flop, t);
    });
  }
};

/// The floor is each key and value once: shared ones once for all.
template <class Executor> void decode_attention(bench<Executor>& b, std::string const& name, model_config const& c, decoding const& d) {
  int const whole = d.shared / leaf * leaf, own = (d.context - whole + page - 1) / page;
  attention_bench<Executor> a{c};
  for (int s = 0; s < d.batch; ++s) {
    std::vector<int> pages(std::size_t(whole / page + own));
    std::iota(pages.begin(), pages.begin() + whole / page, 0);
    std::iota(pages.begin() + whole / page, pages.end(), whole / page + s * own);
    a.sequence(1, d.context - 1, std::move(pages));
  }
  double const keys = double(whole) + double(d.batch) * (d.context - whole);
  json row{{"what", whole > 0 ? "shared decode attention" : "decode attention"}, {"shape", name}, {"batch", d.batch}, {"context", d.context}, {"shared", whole}};
  a.run(b, row, d.context, 4.0 * keys * c.kv_heads * c.head_dim, 4.0 * double(d.batch) * d.context * c.heads * c.head_dim);
}

/// One prompt, causal: the floor is its arithmetic.
template <class Executor> void prefill_attention(bench<Executor>& b, std::string const& name, model_config const& c, int prompt) {
  attention_bench<Executor> a{c};
  std::vector<int> pages(std::size_t((prompt + page - 1) / page));
  std::iota(pages.begin(), pages.end(), 0);
  a.sequence(prompt, 0, std::move(pages));
  double const bytes = 4.0 * prompt * (c.kv_heads + c.heads) * c.head_dim;
  json row{{"what", "prefill attention"}, {"shape", name}, {"prompt", prompt}, {"head_dim", c.head_dim}};
  a.run(b, row, prompt, bytes, 2.0 * prompt * (prompt + 1.0) * c.heads * c.head_dim);
}

}  // namespace gpu_bench
