#include "verbatim/weights/checkpoint.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "catch.hpp"
#include "verbatim/core/bf16.hpp"
#include "verbatim/weights/borrowed.hpp"
#include "verbatim/weights/safetensors_write.hpp"
#include "weights_thrown.hpp"

using namespace verbatim;

namespace {

/// An empty folder that goes when the test ends.
struct folder {
  folder() : path(std::filesystem::temp_directory_path() / ("verbatim_weights_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~folder() { std::filesystem::remove_all(path); }
  void put(std::string const& name, std::string const& text) const { std::ofstream(path / name, std::ios::binary) << text; }
  void shard(std::string const& name, std::vector<std::string> const& tensors) const {
    static float const values[2] = {1, 2};
    std::vector<tensor> list;
    for (auto const& t : tensors) list.push_back({t, dtype::f32, {{2}, 1}, values});
    weights::write_safetensors(path / name, list);
  }
  int refused(std::string const& part = {}) const {
    try {
      weights::checkpoint const c(path);
      return 0;
    } catch (error const& e) {
      INFO(e.what());
      CHECK(e.area() == "checkpoint");
      CHECK(std::string(e.what()).find(part) != std::string::npos);
      return e.number();
    }
  }
  std::filesystem::path path;
};

}  // namespace

TEST_CASE("checkpoint: the fixtures open, single and sharded") {
  auto const fixtures = source_dir() / "tests/fixtures/models";
  weights::checkpoint const single(fixtures / "qwen3"), sharded(fixtures / "qwen3-sharded", 7);
  CHECK(single.size() == 24);
  CHECK(single.version() == 0);
  CHECK(single.type() == dtype::f32);
  CHECK(sharded.size() == 24);
  CHECK(sharded.version() == 7);
  CHECK(sharded.type() == dtype::bf16);
  CHECK(sharded.access("model.norm.weight", {{32}, 1}).type == dtype::bf16);
  CHECK(has(thrown([&] { sharded.access("model.norm.weight", {{64}, 1}); }), "checkpoint.3"));
CHECK(has(thrown([&] { sharded.access("model.norm.weight", {{64}, 1}); }), "[64] expected, [32] found"));
  CHECK(has(thrown([&] { sharded.access("model.nothing"); }), "checkpoint.7"));
CHECK(has(thrown([&] { sharded.access("model.nothing"); }), "model.nothing"));
  int visited = 0;
  weights::for_each(sharded, [&](tensor const& t) {
    ++visited;
    CHECK(sharded.access(t.name).data == t.data);
  });
  CHECK(visited == 24);
}

TEST_CASE("checkpoint: tensors stay readable after their pages are released") {
  weights::checkpoint const c(source_dir() / "tests/fixtures/models/qwen3");
  tensor const t = c.access("model.norm.weight");
  float const before = *static_cast<float const*>(t.data);
  c.advise(weights::access::will_need);
  c.release();
  CHECK(*static_cast<float const*>(t.data) == before);
}

TEST_CASE("checkpoint: shards that are missing, wrong or outside the folder") {
  folder const f;
  CHECK(f.refused("model.safetensors.index.json") == 1);
  f.shard("a.safetensors", {"x", "y"});
  f.shard("b.safetensors", {"y", "z"});
  char const* const index = "model.safetensors.index.json";
  f.put(index, R"({"weight_map":{"x":"a.safetensors","y":"b.safetensors"}})");
  {
    weights::checkpoint const c(f.path);
    CHECK(c.size() == 2);                        // z is not listed, y of a.safetensors neither
    CHECK_FALSE(c.contains("z"));
    int visited = 0;
    weights::for_each(c, [&](tensor const&) { ++visited; });
    CHECK(visited == 2);
  }
  f.put(index, R"({"weight_map":{"x":"b.safetensors"}})");
  CHECK(f.refused("\"x\" is not in its shard b.safetensors") == 9);
  f.put(index, R"({"weight_map":{"x":"c.safetensors"}})");
  CHECK(f.refused("c.safetensors is missing") == 9);
  for (std::string name : {"../a.safetensors", "/etc/passwd", "d/a.safetensors", "..", ".safetensors", "a.bin", "a\\\\b.safetensors", "a\\u0000.safetensors"}) {
    f.put(index, R"({"weight_map":{"x":")" + name + R"("}})");
    CAPTURE(name);
    CHECK(f.refused("same folder") == 8);
  }
  for (std::string text : {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})", R"({"weight_map":{"x":1}})", "{\"weight_map\":"}) {
    f.put(index, text);
    CHECK(f.refused(index) == 8);
  }
  f.put("a.safetensors", "12345678901");
  f.put(index, R"({"weight_map":{"x":"a.safetensors"}})");
  CHECK(f.refused("a.safetensors") == 4);
  f.shard("model.safetensors", {"w"});           // the single file counts first
  CHECK(f.refused() == 0);
}

TEST_CASE("mapped_file: what is not a readable regular file is refused without hanging") {
  folder const f;
  auto const number = [](std::filesystem::path const& p) {
    try {
      weights::mapped_file const m(p);
      return 0;
    } catch (error const& e) {
      CHECK(std::string(e.what()).find(p.string()) != std::string::npos);
      return e.number();
    }
  };
  CHECK(number(f.path / "none") == 1);
  CHECK(number(f.path) == 1);
  REQUIRE(::mkfifo((f.path / "pipe").c_str(), 0600) == 0);
  CHECK(number(f.path / "pipe") == 1);
  f.put("empty", "");
  CHECK(number(f.path / "empty") == 0);
  f.put("text", "abc");
  weights::mapped_file a(f.path / "text");
  weights::mapped_file b(std::move(a));
  CHECK(b.text() == "abc");
  CHECK(a.bytes().empty());
  a = std::move(b);
  CHECK(a.text() == "abc");
}

TEST_CASE("borrowed: hands out what it was given") {
  float const values[2] = {1, 2};
  tensor const list[] = {{"a", dtype::f32, {{2}, 1}, values}, {"b", dtype::f32, {{1, 2}, 2}, values}};
  weights::borrowed source(list, 3);
  CHECK(source.version() == 3);
  std::string names;
  weights::for_each(source, [&](tensor const& t) { names += t.name; });
  CHECK(names == "ab");
}

TEST_CASE("checkpoint: real files of others") {
  auto const models = testdata() / "models";
  if (!std::filesystem::exists(models)) return skip("no test data at " + models.string());
  weights::checkpoint const c(models / "stories260K");
  CHECK(c.size() == 47);
  CHECK(c.access("model.embed_tokens.weight", {{512, 64}, 2}).type == dtype::f32);
  CHECK(weights::checkpoint(models / "tiny-random-gpt2").size() > 0);
}
