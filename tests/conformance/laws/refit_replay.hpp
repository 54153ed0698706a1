// Weights that are replaced in place under recorded steps: a device replays the graphs that it recorded over the old weights, and what they
// compute has the bits of an engine that was made with the new ones. By every route that a process has by itself: the host's memory, a folder,
// a file's bytes, and the device's own memory.
#pragma once
#include "subject.hpp"
#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/weights/borrowed.hpp"
#include "verbatim/weights/bucket.hpp"

namespace laws {

/// Where tensors lie in a bucket, one behind the other, and its bytes.
struct bucket_table {
  std::vector<weights::bucket_entry> entries{};
  std::uint64_t bytes = 0;
};
inline bucket_table table_of(std::span<tensor const> from) {
  bucket_table out;
  for (tensor const& t : from) {
    out.entries.push_back({t.name, t.type, t.shape, out.bytes});
    out.bytes += (t.bytes() + 255) / 256 * 256;
  }
  return out;
}

/// Tensors copied into one piece of a device's memory, as a trainer in the same process has them.
template <class Executor> class tensors_there {
 public:
  explicit tensors_there(std::span<tensor const> from) {
    auto const [entries, bytes] = table_of(from);
    memory_ = verbatim::cuda::device_array<Executor, std::byte>(bytes);
    verbatim::cuda::staging_array<Executor, std::byte> staged(bytes);
    for (std::size_t i = 0; i < from.size(); ++i) std::memcpy(staged.data() + entries[i].offset, from[i].data, from[i].bytes());
    Executor device;
    device.upload(memory_.data(), staged.data(), bytes);
    device.wait();
    tensors_ = weights::tensors_of(entries, memory_.data(), bytes, verbatim::memory_space::device);
  }
  std::span<tensor const> tensors() const { return tensors_; }
  std::byte* data() const { return memory_.data(); }
  std::size_t bytes() const { return memory_.bytes(); }

 private:
  verbatim::cuda::device_array<Executor, std::byte> memory_;
  std::vector<tensor> tensors_;
};

/// P's device counts its steps (test_engines::watched).
template <class P> void replayed_steps_take_new_weights(subject const& s) {
  using executor = typename P::device::executor;
  using engine_type = verbatim::engine<P>;
  sets<P> const all(s.model, 5);
  auto const file = [&](folder const& to, std::size_t set) { weights::write_safetensors(to.path() / "model.safetensors", all.of[set].tensors()); };
  auto const ask = [&](engine_type& engine) {   // prompts that fill no page, so that a second time is as the first one was
    std::vector<request> requests;
    for (int i = 0; i < 3; ++i)
      requests.push_back({.prompt = std::vector<token>(std::size_t(9 + i), token(20 + i)), .max_tokens = s.of(40, 8), .sampling = {.seed = std::uint64_t(i)},
                          .ignore_eos = true});
    std::vector<answer_bits> out;
    for (auto const& c : verbatim::generate(engine, requests)) out.push_back(bits(c));
    return out;
  };
  auto const total = [] {
    long n = 0;
    for (auto const& [key, times] : executor::steps) n += times;
    return n;
  };
  engine_type engine(s.config());
  engine.refit(weights::borrowed(all.of[0].tensors()));
  auto before = ask(engine);
  for (int i = 0; i < 2; ++i) REQUIRE(ask(engine) == before);   // every shape of step has been recorded

  auto const check = [&](char const* route, std::size_t set, auto&& refit) {
    CAPTURE(route);
    refit();
    long const steps = total(), enqueued = executor::enqueued;
    std::size_t const shapes = executor::steps.size();
    auto const got = ask(engine);
    CHECK(total() > steps);
    CHECK(executor::steps.size() == shapes);
    CHECK(executor::enqueued - enqueued == (is_emulated<P> ? total() - steps : 0));   // the emulator enqueues what it compares with what was recorded
    folder const checkpoint(read_bytes(s.model / "config.json"));
    file(checkpoint, set);
    auto config = s.config();
    config.checkpoint = checkpoint.path(), config.random_weights = false;
    engine_type fresh(config);
    CHECK(got == ask(fresh));
    CHECK(got != before);
    before = got;
  };
  check("the host's memory", 1, [&] { engine.refit(weights::borrowed(all.of[1].tensors())); });
  check("a folder", 2, [&] {
    folder const other(read_bytes(s.model / "config.json"));
    file(other, 2);
    engine.refit(weights::staged(other.path()));
  });
  check("bytes", 3, [&] {
    folder const other(read_bytes(s.model / "config.json"));
    file(other, 3);
    engine.refit(weights::staged(read_bytes(other.path() / "model.safetensors"), "bytes"));
  });
  check("the device's memory", 4, [&] {
    tensors_there<executor> const there(all.of[4].tensors());
    engine.refit(weights::borrowed(there.tensors()));
  });
  check("the host's memory again", 0, [&] { engine.refit(weights::borrowed(all.of[0].tensors())); });
}

}  // namespace laws
