// From engine_config to the loaded parts of an engine: config, tokenizer, template, KV plan, weights.
#pragma once
#include <algorithm>
#include <concepts>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <unistd.h>

#include "verbatim/backend/cpu/affinity.hpp"
#include "verbatim/backend/cpu/ops.hpp"
#include "verbatim/backend/cuda/ops.hpp"
#include "verbatim/engine/engine.hpp"
#include "verbatim/model/loaded_model.hpp"
#include "verbatim/model/loader.hpp"
#include "verbatim/text/tokenizer_config.hpp"
#include "verbatim/weights/checkpoint.hpp"
#include "verbatim/weights/floors.hpp"
#include "verbatim/weights/random_weights.hpp"

namespace verbatim::detail {

template <class P> struct loaded_parts {
  using model_type = loaded_model<typename P::architecture, typename P::device, typename P::dtype, typename P::attention, typename P::linear>;
  model_config config;
  generation_defaults defaults;
  std::vector<token> turn_ends;
  std::string name;
  int context = 0;
  ops_limits limits{};
  std::optional<typename P::text> text;
  std::optional<chat_template> chat;
  std::unique_ptr<model_type> model;
};

inline void check_values(engine_config const& c) {
  auto const in = [](char const* what, long value, long low, long high) {
    if (value < low || value > high)
      throw error("engine", 9, std::string(what) + ": " + std::to_string(low) + " to " + std::to_string(high) + " expected, " + std::to_string(value) + " found");
  };
  in("threads", c.threads, 0, 1024);
  in("max_batch", c.max_batch, 1, 4096);
  in("step_tokens", c.step_tokens, 1, 65536);
  in("chunk_tokens", c.chunk_tokens, 0, 65536);
  in("context", c.context, 0, 1 << 24);
  in("max_logprobs", c.max_logprobs, 0, 1024);
}

/// Bytes that the weights will take of a CUDA device's memory, all of them: matrices in the pipeline's type (in whole tiles, where the
/// linear part has tiles), vectors in f32, an embedding that is not the head too.
template <class P> std::size_t device_weight_bytes(model_config const& config) {
  using planned = cuda::planned_weights<typename P::dtype, typename P::linear>;
  typename P::architecture::template weights<planned> nothing;
  return loader<typename P::architecture, planned>(config, nothing).bytes();
}

/// Bytes that steps will take of it beside weights and pages, of which limits.pages need only be enough for one sequence of limits.context.
template <class P> std::size_t device_step_bytes(model_config const& config, ops_limits const& limits) {
  check_shape(config, limits, P::contract, 16);
  using planned = cuda::planned_steps<typename P::device::executor>;
  return cuda::step_memory<planned, typename P::dtype, typename P::attention, typename P::linear>(config, limits, P::contract.kv_leaf).bytes();
}

/// Bytes for keys and values where none were asked for: a quarter of the machine's memory; of a device with memory of its own, four fifths
/// of what weights and steps will leave of what is free now. The last fifth is for what has no size yet: graphs, kernels as they are first
/// launched, what tiles are made through, the allocator's rounding, and who else uses the device.
template <class P> std::size_t room_for_kv(model_config const& config, ops_limits const& limits) {
  if constexpr (requires { P::device::executor::free_memory(); }) {
    std::size_t const free = P::device::executor::free_memory(), taken = device_weight_bytes<P>(config) + device_step_bytes<P>(config, limits);
    return free > taken ? (free - taken) / 5 * 4 : 0;
  } else {
    return std::size_t(sysconf(_SC_PHYS_PAGES)) * std::size_t(sysconf(_SC_PAGE_SIZE)) / 4;
  }
}

/// How many KV pages: what was asked for in bytes, else a full context for every sequence of a batch and the spare page for every four that
/// first_come keeps, within `room`. Never more than a batch can use.
inline int plan_pages(engine_config const& c, int context, int page, std::size_t bytes_per_token, std::size_t room) {
  std::size_t const page_bytes = bytes_per_token * std::size_t(page);
  std::size_t const wanted = std::size_t(c.max_batch) * std::size_t((context + page - 1) / page) + std::size_t(c.max_batch + 3) / 4;
  std::size_t const pages = std::min(wanted, (c.kv_bytes ? c.kv_bytes : room) / page_bytes);
  if (pages == 0) throw error("engine", 9, "kv_bytes: one page of the KV cache needs " + std::to_string(page_bytes) + " bytes");
  return int(std::min<std::size_t>(pages, 1u << 24));
}

/// Tokenizer and template, where the directory has them. Reads out.config; writes what is of text.
template <class P> void load_text(std::filesystem::path const& directory, loaded_parts<P>& out) {
  if (!std::filesystem::exists(directory / "tokenizer.json")) return;
  out.text.emplace(P::text::load(directory));
  out.text->set_stop(out.config.eos);
  out.chat = chat_template::find(directory);
  out.turn_ends = out.config.eos;
  if (auto const eos = load_special_strings(directory).eos) {
    std::vector<token> ids;
    out.text->encode(*eos, ids);
    if (ids.size() == 1 && std::find(out.turn_ends.begin(), out.turn_ends.end(), ids[0]) == out.turn_ends.end()) out.turn_ends.push_back(ids[0]);
  }
}

template <class P> loaded_parts<P> load_parts(engine_config const& c) {
  check_values(c);
  loaded_parts<P> out;
  auto description = read_config(c.checkpoint);
  out.config = std::move(description.config);
  out.defaults = description.defaults;
  auto const directory = std::filesystem::is_directory(c.checkpoint) ? c.checkpoint : c.checkpoint.parent_path();
  out.name = std::filesystem::weakly_canonical(directory).filename().string();
  if (auto const file = c.checkpoint.filename(); c.random_weights && directory != c.checkpoint && file != "config.json") out.name = file.stem().string();
  // A large vocabulary takes about as long as the weights of a small model, and neither needs the other. A failure here waits for theirs.
  std::future<void> text;
  try {
    text = std::async(std::launch::async, [&, all = cpu::processors::of_this_thread()] {
      all.use_all();   // the thread that loads may keep to one for another engine
      load_text(directory, out);
    });
  } catch (std::system_error const&) {   // no thread can be had: behind the weights, then
    text = std::async(std::launch::deferred, [&] { load_text(directory, out); });
  }

  int const wanted = c.context ? std::min(c.context, out.config.context) : out.config.context;
  double const kv_bits = bits_of(c.kv, out.config.head_dim, 8 * sizeof(typename P::dtype));
  int const rows = std::max(c.step_tokens, c.max_batch + 1);   // room for a prompt beside a full batch that decodes
  int const threads = c.threads ? c.threads : int(std::max(1u, std::thread::hardware_concurrency()));
  out.limits = {.tokens = rows, .slices = c.max_batch, .outputs = std::min(rows, std::max(c.max_batch, 16)),
                .pages = (wanted + P::cache::page - 1) / P::cache::page, .page = P::cache::page, .context = wanted,
                .threads = threads, .pin_threads = c.pin_threads, .weights = c.weights, .kv = c.kv};
  std::size_t const room = c.kv_bytes ? 0 : room_for_kv<P>(out.config, out.limits);   // a shorter context takes no more
  out.limits.pages = plan_pages(c, wanted, P::cache::page, std::size_t(double(weights::floors_of(out.config, 1).kv_bytes) * kv_bits / 8), room);
  out.limits.context = out.context = int(std::min<long>(wanted, long(out.limits.pages) * P::cache::page));
  if (!loaded_parts<P>::model_type::takes_formats && c.weights != weight_format::checkpoint)
    throw error("engine", 9, "weights: this device keeps them as the checkpoint has them");
  if constexpr (!requires { requires loaded_parts<P>::model_type::backend_type::takes_kv_formats; })
    if (c.kv != kv_format::activations) throw error("engine", 9, "kv: this device keeps keys and values as they are computed");
  out.model = std::make_unique<typename loaded_parts<P>::model_type>(out.config, out.limits, P::contract);
  if (c.random_weights) {
    weights::random_weights source(out.config);
    out.model->load(source);
  } else {
    weights::checkpoint source(directory);
    out.model->load(source);
    source.release();
  }
  text.get();
  return out;
}

/// Rows of prompts beside decoding ones: what was asked for, else what the device says, else as many as a step has.
template <class P> int chunk_of(engine_config const& c) {
  if (c.chunk_tokens > 0) return c.chunk_tokens;
  if constexpr (requires { int{P::device::chunk_tokens}; }) return P::device::chunk_tokens;
  else return c.step_tokens;
}

/// Positions that a row sees in every layer; 0: some layer sees all.
inline int sliding_window(model_config const& c) {
  return std::find(c.windowed.begin(), c.windowed.end(), false) == c.windowed.end() ? c.window : 0;
}

/// A book may take more than the number of pages: how many sequences there will be, how long, and what they see of it.
template <class P> typename P::cache::book make_book(loaded_parts<P> const& parts, engine_config const& c) {
  using book = typename P::cache::book;
  int const run = (parts.context + P::cache::page - 1) / P::cache::page;
  if constexpr (std::constructible_from<book, int, int, int, int>) return book(parts.limits.pages, c.max_batch, run, sliding_window(parts.config));
  else if constexpr (std::constructible_from<book, int, int, int>) return book(parts.limits.pages, c.max_batch, run);
  else return book(parts.limits.pages);
}

}  // namespace verbatim::detail
