#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include "catch.hpp"
#include "verbatim/protocol/error_body.hpp"
#include "verbatim/protocol/fields.hpp"
#include "verbatim/protocol/key_ring.hpp"
#include "verbatim/protocol/wire.hpp"
#include "verbatim/text/json.hpp"

using namespace verbatim;

TEST_CASE("protocol/wire: strings are valid JSON whatever the bytes") {
  std::mt19937 dice(1);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes(dice() % 24, '\0');
    for (char& c : bytes) c = char(dice() % (round % 2 ? 256 : 128));
    std::string out;
    wire::put_string(out, bytes);
    REQUIRE(wire::is_utf8(out));
    std::string const back = parse_json(out).get<std::string>();
    if (wire::is_utf8(bytes)) REQUIRE(back == bytes);
    else REQUIRE(back.find("\xef\xbf\xbd") != back.npos);
  }
}

TEST_CASE("protocol/wire: UTF-8 is judged as RFC 3629 does") {
  for (auto good : {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) CHECK(wire::is_utf8(good));
  for (auto bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                   "\xff"})
    CHECK_FALSE(wire::is_utf8(bad));
  CHECK(wire::utf8_prefix("größe", 3) == "gr");
  CHECK(wire::utf8_prefix("größe", 4) == "grö");
}

TEST_CASE("protocol/wire: floats read back bit for bit, and nothing is NaN or infinite") {
  std::mt19937 dice(2);
  for (int round = 0; round < 20000; ++round) {
    auto const value = std::bit_cast<float>(std::uint32_t(dice()));
    std::string out;
    wire::put_real(out, value);
    double const back = parse_json(out).get<double>();
    if (std::isfinite(value) && value >= -9999.0f) REQUIRE(back == double(value));
    else REQUIRE(back == -9999.0);
  }
  std::string zero;
  wire::put_real(zero, 0);
  CHECK(zero == "0.0");
}

TEST_CASE("protocol/error_body: four keys, and a small report of many problems") {
  json const e = parse_json(error_body({404, "no \"such\" model", "model", "model_not_found"}))["error"];
  CHECK(e.size() == 4);
  CHECK(e["type"] == "invalid_request_error");
  CHECK(e["code"] == "model_not_found");
  CHECK(parse_json(error_body({500, "x"}))["error"]["param"].is_null());
  problems p;
  for (int i = 0; i < 100'000; ++i) p.add("messages." + std::to_string(i), std::string(5000, 'x'));
  CHECK(p.error().message.size() < 11'500);
  CHECK(p.error().message.find("and 99990 more") != std::string::npos);
  CHECK(p.error().param == "messages.0");
}

TEST_CASE("protocol/fields: types are not coerced, null is absent, ranges hold") {
  json const o = parse_json(R"({"i":3,"f":3.0,"h":3.5,"s":"3","b":true,"n":null,"big":18446744073709551615,"neg":-7,"a":[1,2],"o":{}})");
  problems p;
  fields f(o, "", p);
  CHECK(f.integer("i", 0, 5) == 3);
  CHECK(f.integer("f", 0, 5) == 3);
  CHECK(f.integer("neg", -10, 5) == -7);
  CHECK(f.integer("n", 0, 5) == std::nullopt);
  CHECK(f.number("h", {0, 4}) == 3.5f);
  CHECK(f.boolean("b") == true);
  CHECK(f.text("s", 5) == "3");
  CHECK(f.array("a", 2) != nullptr);
  CHECK(f.object("o") != nullptr);
  CHECK(p.empty());
  CHECK_FALSE(f.integer("h", 0, 5));
  CHECK_FALSE(f.integer("s", 0, 5));
  CHECK_FALSE(f.integer("b", 0, 5));
  CHECK_FALSE(f.integer("big", 0, std::numeric_limits<std::int64_t>::max()));
  CHECK_FALSE(f.integer("i", 4, 5));
  CHECK_FALSE(f.number("b", {0, 4}));
  CHECK_FALSE(f.number("i", {3, 4, true}));
  CHECK_FALSE(f.boolean("i"));
  CHECK_FALSE(f.text("i", 5));
  CHECK_FALSE(f.text("s", 0));
  CHECK(f.array("a", 1) == nullptr);
  CHECK(f.object("a") == nullptr);
  CHECK(p.size() == 12);
  CHECK(f.unknown().empty());
  problems q;
  fields g(o, "body", q);
  g.integer("s", 0, 1);
  CHECK(q.error().param == "body.s");
  CHECK(g.unknown().size() == 9);
  g.refuse({"o"});
  g.only("i", [](json const& v) { return v == 4; }, "only 4");
  CHECK(q.size() == 3);
}

TEST_CASE("core/sha256: the examples of FIPS 180-4") {
  auto const hex = [](std::string_view s) {
    std::string out;
    for (auto b : sha256(s)) out += "0123456789abcdef"[b >> 4], out += "0123456789abcdef"[b & 15];
    return out;
  };
  CHECK(hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hex(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("protocol/key_ring: admits its keys and nothing near them") {
  key_ring const ring({"alpha", "beta"});
  CHECK(ring.admits("Bearer alpha"));
  CHECK(ring.admits("bearer beta"));
  for (auto bad : {"", "alpha", "Bearer", "Bearer ", "Bearer alph", "Bearer alphaa", "Basic alpha", "Bearer  alpha"}) CHECK_FALSE(ring.admits(bad));
  CHECK(key_ring().admits(""));
}
