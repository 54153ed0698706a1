// New weights in a bucket of device memory that another process filled: it is imported from there (CUDA IPC), or a broadcast brings it
// (NCCL; from another GPU where there are two). An engine that is refit from it gives what one does that was loaded from those weights.
#include <span>

#include "../conformance/laws/refit_replay.hpp"
#include "../conformance/laws/refit_sources.hpp"
#include "engines.hpp"
#include "other_process.hpp"

using namespace verbatim;

namespace {

// [imported]
/// `piece` is what the trainer's process made by cuda::export_memory(bucket, bytes) and sent, with the table of what lies where in it.
template <class P> void refit_from(engine<P>& engine, cuda::ipc_memory const& piece, std::span<weights::bucket_entry const> table) {
  cuda::imported_memory const bucket(piece);
  auto const tensors = weights::tensors_of(table, bucket.data(), bucket.bytes(), memory_space::device);
  engine.refit(weights::borrowed(tensors));   // once it returns the trainer may write there again
}
// [imported]
// [broadcast]
/// `bucket` is device memory of this process; the trainer is rank `root` of the group, and broadcasts from its own.
template <class P>
void refit_by_broadcast(engine<P>& engine, cuda::nccl_group& group, int root, std::span<std::byte> bucket, std::span<weights::bucket_entry const> table) {
  group.broadcast(bucket.data(), bucket.size(), root);
  auto const tensors = weights::tensors_of(table, bucket.data(), bucket.size(), memory_space::device);
  engine.refit(weights::borrowed(tensors));
}
// [broadcast]

constexpr char const *trainer_test = "gpu: a trainer's weights for the process that started this one", *root_test = "gpu: a trainer's weights broadcast";

using P = test_engines::gpu_llama_bf16;
using bucket_of_weights = laws::tensors_there<cuda::gpu>;

/// The weights that a trainer has, which are not those that an engine is made with.
struct trained : laws::random_subject<P> {
  trained() : random_subject("llama", laws::wide), sets(model, 2) {}
  std::span<tensor const> tensors() const { return sets.of[1].tensors(); }

 private:
  laws::sets<P> sets;
};

/// What `refit` made of an engine is what an engine is that was loaded from those weights.
template <class F> void check(trained const& t, F&& refit) {
  verbatim::engine<P> engine(t.config());
  auto const before = laws::outputs(engine, 1);
  refit(engine);
  auto const got = laws::outputs(engine, 1);
  laws::folder const checkpoint(read_bytes(t.model / "config.json"));
  weights::write_safetensors(checkpoint.path() / "model.safetensors", t.tensors());
  auto config = t.config();
  config.checkpoint = checkpoint.path(), config.random_weights = false;
  verbatim::engine<P> loaded(config);
  REQUIRE(!got.empty());
  CHECK(got == laws::outputs(loaded, 1));
  CHECK(got != before);
  CHECK(engine.carry_out(orders::checksum{}).checksums == loaded.carry_out(orders::checksum{}).checksums);
}

}  // namespace

TEST_CASE("gpu: a trainer's weights for the process that started this one", "[.]") {
  other_process::pipes starter;
  if (!other_process::was_started(starter)) return;   // not by the test below
  trained const t;
  bucket_of_weights const bucket(t.tensors());
  starter.send(cuda::export_memory(bucket.data(), bucket.bytes()));
  starter.wait();
}
TEST_CASE("gpu: an engine takes new weights from another process's memory") {
  if (!have_gpu()) return;
  trained const t;
  check(t, [&](auto& engine) {
    other_process::child trainer(trainer_test);
    refit_from(engine, trainer.receive<cuda::ipc_memory>(), laws::table_of(t.tensors()).entries);
    CHECK(trainer.end() == 0);   // with its memory: the engine has none of it
  });
}
TEST_CASE("gpu: a trainer's weights broadcast", "[.]") {
  other_process::pipes starter;
  if (!other_process::was_started(starter)) return;   // not by the test below
  trained const t;
  bucket_of_weights const bucket(t.tensors());
  cuda::nccl_group group(starter.receive<cuda::nccl_id>(), 1, 2);
  group.broadcast(bucket.data(), bucket.bytes(), 1);
}
TEST_CASE("gpu: an engine takes new weights from a broadcast, of another GPU where there is one") {
  cuda::nccl_id id;
  if (!have_gpu() || !other_process::have_nccl(id)) return;
  trained const t;
  auto const table = laws::table_of(t.tensors());
  auto const second = other_process::second_device();
  check(t, [&](auto& engine) {
    if (second.empty()) {
      bucket_of_weights const bucket(t.tensors());
      cuda::nccl_group group(id, 0, 1);
      return refit_by_broadcast(engine, group, 0, {bucket.data(), bucket.bytes()}, table.entries);
    }
    other_process::child trainer(root_test, second.c_str());
    trainer.send(id);
    cuda::device_array<cuda::gpu, std::byte> const bucket{std::size_t(table.bytes)};
    cuda::nccl_group group(id, 0, 2);
    refit_by_broadcast(engine, group, 1, {bucket.data(), std::size_t(table.bytes)}, table.entries);
    CHECK(trainer.end() == 0);
  });
}
