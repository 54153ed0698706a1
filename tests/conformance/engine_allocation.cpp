// Nothing in a step allocates once the requests are taken in: counted, on every thread, while eight sequences decode. And
// a request for which there is no memory ends alone.
#include <atomic>
#include <cstdlib>
#include <new>

#include "catch.hpp"
#include "../engines.hpp"

namespace {

std::atomic<bool> counting{false};
std::atomic<int> allocations{0};
std::atomic<std::size_t> largest{std::size_t(-1)};   // what exceeds it fails, as if memory had run out

void* counted(std::size_t size, std::size_t alignment) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  if (size > largest.load(std::memory_order_relaxed)) throw std::bad_alloc();
  void* const p = alignment ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment) : std::malloc(size ? size : 1);
  if (!p) throw std::bad_alloc();
  return p;
}

}  // namespace

// Not inlined: g++ 12 would see free() on what it takes for memory of another operator new.
[[gnu::noinline]] void* operator new(std::size_t size) { return counted(size, 0); }
[[gnu::noinline]] void* operator new[](std::size_t size) { return counted(size, 0); }
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t a) { return counted(size, std::size_t(a)); }
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t a) { return counted(size, std::size_t(a)); }
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

TEST_CASE("engine: steps do not allocate") {
  verbatim::engine<test_engines::small_qwen3> engine({.checkpoint = source_dir() / "tests/fixtures/models/qwen3-bf16", .threads = 2, .max_batch = 8});
  int tokens = 0;
  for (int i = 0; i < 8; ++i) {
    verbatim::request r;
    r.prompt = {1, 2, 3, 4 + i};
    r.max_tokens = 200;
    r.ignore_eos = true;
    r.top_logprobs = 5;
    r.sampling.seed = std::uint64_t(i);
    r.sampling.top_p = i % 2 ? 0.9f : 1.0f;
    r.sampling.presence_penalty = i % 3 ? 0.0f : 0.5f;
    engine.submit(std::move(r), [&tokens](verbatim::event const& e) { tokens += e.what == verbatim::event::kind::token; });
  }
  for (int i = 0; i < 10; ++i) REQUIRE(engine.poll());   // taken in, prefilled, buffers warm
  int const before = tokens;
  bool polled = true;
  counting = true;
  for (int i = 0; i < 100; ++i) polled = engine.poll() && polled;
  counting = false;
  CHECK(polled);
  CHECK(tokens - before == 800);
  CHECK(allocations.load() == 0);
  counting = true;
  ::operator delete(::operator new(1));   // the counter works
  counting = false;
  CHECK(allocations.load() == 1);
}

TEST_CASE("engine: a request for which there is no memory hears so, and the others go on") {
  verbatim::engine<test_engines::small_qwen3> engine({.checkpoint = source_dir() / "tests/fixtures/models/qwen3-bf16", .threads = 1, .max_batch = 4});
  int good = 0, refused = 0;
  std::string why;
  auto const count = [&](int& finished) {
    return [&](verbatim::event const& e) {
      if (e.what == verbatim::event::kind::finished) ++finished, why = e.error;
    };
  };
  engine.submit({.prompt = {1, 2, 3}, .max_tokens = 20, .ignore_eos = true}, count(good));
  REQUIRE(engine.poll());
  engine.submit({.prompt = std::vector<verbatim::token>(40, 5), .max_tokens = 200, .count = 3}, count(refused));   // 960 bytes each
  largest = 900;
  bool const polled = engine.poll();
  largest = std::size_t(-1);
  CHECK(polled);
  CHECK(refused == 3);
  CHECK(why.find("[verbatim.engine.6]") == 0);
  CHECK(good == 0);
  while (engine.poll()) {}
  CHECK(good == 1);
  CHECK(why.empty());
  CHECK(engine.jobs().unfinished() == 0);
}
