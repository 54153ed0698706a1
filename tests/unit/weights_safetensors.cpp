#include "verbatim/weights/safetensors.hpp"

#include <random>

#include "catch.hpp"
#include "verbatim/core/bf16.hpp"
#include "verbatim/weights/safetensors_write.hpp"
#include "weights_thrown.hpp"

using namespace verbatim;

namespace {

std::string file_of(std::string const& header, std::string const& data) {
  std::uint64_t const length = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + header + data;
}

std::span<std::byte const> bytes_of(std::string const& s) { return {reinterpret_cast<std::byte const*>(s.data()), s.size()}; }

/// The number of the checkpoint error that opening throws, 0 for none; `message` receives its text.
int refused(std::string const& file, std::string* message = nullptr) {
  try {
    weights::safetensors const st(bytes_of(file), "x.safetensors");
    return 0;
  } catch (error const& e) {
    CHECK(e.area() == "checkpoint");
    CHECK(std::string(e.what()).find("x.safetensors") != std::string::npos);
    if (message) *message = e.what();
    return e.number();
  }
}

std::string entry(std::string const& name, std::string const& type, std::string const& shape, std::string const& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

std::string small_file() {
  float const a[6] = {1, 2, 3, 4, 5, 6};
  bf16 const b[3] = {to_bf16(1), to_bf16(-2), to_bf16(0.5f)};
  tensor const list[] = {{"a", dtype::f32, {{2, 3}, 2}, a}, {"b", dtype::bf16, {{3}, 1}, b}};
  std::pair<std::string, std::string> const metadata[] = {{"format", "pt"}};
  std::string out = weights::safetensors_header(list, metadata);
  out.append(reinterpret_cast<char const*>(a), sizeof a);
  out.append(reinterpret_cast<char const*>(b), sizeof b);
  return out;
}

/// Touches every byte that a file says it holds.
std::uint64_t read_all(weights::safetensors const& st) {
  std::uint64_t sum = 0;
  for (auto const& t : st.list()) {
    if (!weights::safetensors::readable(t)) continue;
    tensor const r = st.access(t);
    REQUIRE(reinterpret_cast<std::uintptr_t>(r.data) % size_of(r.type) == 0);
    for (std::size_t i = 0; i < r.bytes(); ++i) sum += static_cast<unsigned char const*>(r.data)[i];
  }
  return sum;
}

}  // namespace

TEST_CASE("safetensors: what the writer writes is read back") {
  std::string const file = small_file();
  weights::safetensors const st(bytes_of(file), "x");
  REQUIRE(st.list().size() == 2);
  CHECK(st.metadata().size() == 1);
  CHECK(st.metadata()[0] == std::pair<std::string, std::string>("format", "pt"));
  tensor const a = st.access("a"), b = st.access("b");
  CHECK(a.shape == extents{{2, 3}, 2});
  CHECK(static_cast<float const*>(a.data)[5] == 6);
  CHECK(b.type == dtype::bf16);
  CHECK(to_float(static_cast<bf16 const*>(b.data)[1]) == -2);
  CHECK(st.find("c") == nullptr);
  CHECK_THROWS_AS(st.access("c"), error);
}

TEST_CASE("safetensors: scalars, empty tensors, foreign dtypes and unaligned data") {
  std::string header = "{" + entry("s", "F16", "[]", "[0,2]") + "," + entry("f", "F32", "[1]", "[2,6]") + "," +
                       entry("none", "F32", "[0,5]", "[6,6]") + "," + entry("ids", "I64", "[1]", "[6,14]") + "," +
                       entry("half", "F4", "[2]", "[14,15]") + "," + entry("deep", "F16", "[1,1,1,1,1]", "[15,17]") + "," +
                       entry("odd", "BF16", "[1]", "[17,19]") + "," + entry("new", "F7_X", "[3]", "[19,20]") + "}  ";
  float const value = 1.5f;
  std::string data(20, '\0');
  std::memcpy(data.data() + 2, &value, 4);
  for (int shift = 0; shift < 8; ++shift) {
    std::string const file = file_of(header + std::string(std::size_t(shift), ' '), data);
    weights::safetensors const st(bytes_of(file), "x");
    CHECK(st.access("s").shape.rank == 0);
    CHECK(st.access("s").bytes() == 2);
    tensor const f = st.access("f");
    REQUIRE(reinterpret_cast<std::uintptr_t>(f.data) % 4 == 0);
    CHECK(*static_cast<float const*>(f.data) == value);
    CHECK(st.access("none").bytes() == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(st.access("odd").data) % 2 == 0);
    for (auto name : {"ids", "half", "deep", "new"}) {
      REQUIRE(st.find(name));
      CHECK_FALSE(weights::safetensors::readable(*st.find(name)));
      CHECK(has(thrown([&] { st.access(name); }), "F32, BF16 or F16"));
CHECK(has(thrown([&] { st.access(name); }), name));
    }
  }
}

TEST_CASE("safetensors: inconsistent files are refused with the right number") {
  std::string const eight(8, 'x');
  auto const one = [&](std::string const& type, std::string const& shape, std::string const& offsets) {
    return refused(file_of("{" + entry("t", type, shape, offsets) + "}", eight));
  };
  CHECK(one("F32", "[2]", "[0,8]") == 0);
  CHECK(one("F32", "[3]", "[0,8]") == 5);
  CHECK(one("F32", "[2]", "[8,0]") == 5);
  CHECK(one("F32", "[2]", "[1,9]") == 2);
  CHECK(one("F32", "[2]", "[0,18446744073709551615]") == 2);
  CHECK(one("F32", "[1]", "[0,4]") == 5);
  CHECK(one("F32", "[1]", "[4,8]") == 5);
  CHECK(one("F4", "[15]", "[0,8]") == 5);
  CHECK(one("F32", "[18446744073709551615]", "[0,8]") == 5);
  CHECK(one("F32", "[9223372036854775807,9223372036854775807]", "[0,8]") == 5);
  CHECK(one("F32", "[4611686018427387904,4]", "[0,8]") == 5);
  CHECK(one("F32", "[4294967296,4294967296,2]", "[0,8]") == 5);
  CHECK(one("F32", "[-2]", "[0,8]") == 4);
  CHECK(one("F32", "[2.0]", "[0,8]") == 4);
  CHECK(one("F32", "2", "[0,8]") == 4);
  CHECK(one("F32", "[[2]]", "[0,8]") == 4);
  CHECK(one("F32", "[2]", "[0,8,9]") == 4);
  CHECK(one("F32", "[2]", "[0]") == 4);
  CHECK(one("F32", "[2]", "[\"0\",8]") == 4);
  CHECK(refused("") == 2);
  CHECK(refused("1234567") == 2);
  CHECK(refused(std::string(8, '\xff')) == 4);
  CHECK(refused(file_of("", "")) == 4);
  CHECK(refused(file_of("[]", "")) == 4);
  CHECK(refused(file_of("{}", "")) == 0);
  CHECK(refused(file_of("{}", "x")) == 5);
  CHECK(refused(file_of("{\"a\":1}", "")) == 4);
  CHECK(refused(file_of("{\"__metadata__\":{\"a\":1}}", "")) == 4);
  CHECK(refused(file_of("{\"a\":{\"dtype\":\"F32\",\"shape\":[0]}}", "")) == 4);
  CHECK(refused(file_of("{\"a\":{\"dtype\":1,\"shape\":[0],\"data_offsets\":[0,0]}}", "")) == 4);
  CHECK(refused(file_of("{\"\xff\":1}", "")) == 4);
  CHECK(refused(file_of(std::string(100000, '['), "")) == 4);
  std::string const t = entry("t", "F32", "[2]", "[0,8]");
  CHECK(refused(file_of("{" + t + "," + t + "}", eight)) == 4);
  CHECK(refused(file_of("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"shape\":[2],\"data_offsets\":[0,8]}}", eight)) == 4);
  CHECK(refused(file_of("{" + t + "," + entry("u", "F32", "[2]", "[0,8]") + "}", eight)) == 5);
  CHECK(refused(file_of("{" + t + "," + entry("u", "F32", "[1]", "[4,8]") + "}", eight)) == 5);
  CHECK(refused(file_of("{" + entry("t:\\\":", "F32", "[2]", "[0,8]") + "}", eight)) == 0);
  std::string message;
  refused(file_of("{" + entry("model.x", "BF16", "[7]", "[0,8]") + "}", eight), &message);
  CHECK(message == "[verbatim.checkpoint.5] x.safetensors: tensor \"model.x\": BF16 [7] takes 14 bytes, data_offsets give 8");
}

TEST_CASE("safetensors: every truncation is refused") {
  std::string const file = small_file();
  REQUIRE(refused(file) == 0);
  for (std::size_t n = 0; n < file.size(); ++n) {
    int const number = refused(std::string(file, 0, n));
    CAPTURE(n);
    CHECK((number == 2 || number == 4));
  }
  CHECK(refused(file + "x") == 5);
}

TEST_CASE("safetensors: any changed byte gives an error or a file that reads in bounds") {
  std::string const file = small_file();
  int survived = 0, caught = 0;
  auto const attempt = [&](std::string const& changed) {
    std::vector<char> exact(changed.begin(), changed.end());      // no slack behind, so that a sanitizer sees an overrun
    std::span const bytes(reinterpret_cast<std::byte const*>(exact.data()), exact.size());
    try {
      weights::safetensors const st(bytes, "x");
      read_all(st);
      ++survived;
    } catch (error const&) {
      ++caught;
    }
  };
  for (std::size_t i = 0; i < file.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = file;
      changed[i] = char(changed[i] ^ (1 << bit));
      attempt(changed);
    }
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    std::string changed = file;
    for (unsigned n = 1 + random() % 4; n > 0; --n) changed[random() % changed.size()] = "0123456789,[]{}\":"[random() % 17];
    attempt(changed);
  }
  CHECK(survived > 0);
  CHECK(caught > 1000);
}

TEST_CASE("safetensors_write: a file appears whole or not at all") {
  auto const folder = std::filesystem::temp_directory_path() / "verbatim_weights_write";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  float const a[2] = {1, 2};
  tensor const list[] = {{"a", dtype::f32, {{2}, 1}, a}};
  weights::write_safetensors(folder / "m.safetensors", list);
  std::string const file = read_bytes(folder / "m.safetensors");
  CHECK(weights::safetensors(bytes_of(file), "m").access("a").shape == extents{{2}, 1});
  CHECK_FALSE(std::filesystem::exists(folder / "m.safetensors.part"));
  CHECK(has(thrown([&] { weights::write_safetensors(folder / "none" / "m.safetensors", list); }), "checkpoint.10"));
  std::filesystem::remove_all(folder);
}
