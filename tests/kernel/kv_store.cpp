// What the KV store gives back of what was stored: the same bits, the nearest bf16, or codes whose step is known; in whatever place.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "catch.hpp"
#include "verbatim/backend/cpu/kv.hpp"

using namespace verbatim;
using namespace verbatim::cpu;

namespace {

/// Element i of the key and of the value at a position, as a reader sees them.
template <class T> struct reader {
  kv_store<T>& kv;
  std::vector<std::uint32_t> tile = std::vector<std::uint32_t>(std::size_t(kv.steps()) * tree_lanes);
  std::vector<T> rows = std::vector<T>(std::size_t(kv.page() * kv.width()));
  float key(int page, int head, int offset, int i) {
    std::uint32_t const* const t = kv.key_tile(1, page, head, offset, tile.data());
    std::uint32_t const w = t[i / kv_store<T>::word * tree_lanes + offset % tree_lanes];
    if constexpr (sizeof(T) == 4) return std::bit_cast<float>(w);
    else return std::bit_cast<float>(i % 2 ? w & 0xffff0000u : w << 16);
  }
  float value(int page, int head, int offset, int i) { return to_float(kv.value_rows(1, page, head, offset, 1, rows.data())[i]); }
};

/// The worst distance of what is read from what was stored, over half the step that the format may be wrong by.
template <class T> double worst(kv_format format, int head_dim, std::uint64_t& sum) {
  constexpr int pages = 3, page = 32, heads = 2;
  kv_store<T> kv(2, pages, page, heads, head_dim, format);
  std::mt19937 random(unsigned(head_dim) * 7 + sizeof(T));
  std::vector<T> stored;
  auto const fill = [&](T* p) {
    int const e = int(random() % 40) - 20;
    for (int i = 0; i < head_dim; ++i) p[i] = from_float<T>(std::ldexp(float(int(random() % 65537) - 32768), e - 15));
  };
  for (int p = 0; p < 2; ++p)
    for (int o = 0; o < page; ++o)
      for (int h = 0; h < heads; ++h) {
        std::size_t const at = stored.size();
        stored.resize(at + 2 * std::size_t(head_dim));
        fill(&stored[at]), fill(&stored[at + std::size_t(head_dim)]);
        kv.append(1, p, h, o, &stored[at], &stored[at + std::size_t(head_dim)]);
      }
  kv.copy_page(1, 2);
  reader<T> read{kv};
  double most = 0;
  for (int p = 0; p < pages; ++p)
    for (int o = 0; o < page; ++o)
      for (int h = 0; h < heads; ++h)
        for (int k = 0; k < 2; ++k) {
          T const* const x = &stored[std::size_t((((p == 2 ? 1 : p) * page + o) * heads + h) * 2 + k) * std::size_t(head_dim)];
          for (int b = 0; b < head_dim; b += kv_block) {
            float extreme = 0;
            for (int i = b; i < std::min(head_dim, b + kv_block); ++i) extreme = std::max(extreme, std::fabs(to_float(x[i])));
            for (int i = b; i < std::min(head_dim, b + kv_block); ++i) {
              float const got = k ? read.value(p, h, o, i) : read.key(p, h, o, i), was = to_float(x[i]);
              double const half_step = format == kv_format::int8 ? double(extreme) / 127 : format == kv_format::bf16 ? std::fabs(double(was)) / 256 : 0;
              if (to_float(to_bf16(got)) != got && format != kv_format::activations) FAIL("not a bf16");
              double const wrong = std::fabs(double(got) - double(was));
              most = std::max(most, half_step > 0 ? wrong / half_step : wrong > 0 ? 1e9 : 0);
              sum = (sum ^ std::bit_cast<std::uint32_t>(got)) * 1099511628211u;
            }
          }
        }
  return most;
}

}  // namespace

TEST_CASE("cpu/kv_store: what is read is what was stored, as exact as its format") {
  std::uint64_t codes = 14695981039346656037u, other = codes;
  for (int head_dim : {2, 16, 24, 64, 80, 128}) {
    CAPTURE(head_dim);
    CHECK(worst<float>(kv_format::activations, head_dim, other) == 0);
    CHECK(worst<bf16>(kv_format::activations, head_dim, other) == 0);
    CHECK(worst<bf16>(kv_format::bf16, head_dim, other) == 0);
    double const rounded = worst<float>(kv_format::bf16, head_dim, other);
    CHECK((rounded <= 1 && rounded > 0));
    for (double const coded : {worst<float>(kv_format::int8, head_dim, codes), worst<bf16>(kv_format::int8, head_dim, codes)}) {
      CHECK(coded <= 1);     // half of a step that is at most extreme / 63.5
      CHECK((coded > 0.2 || head_dim == 2));
    }
  }
  static_assert(kv_quantiser_revision == 1, "record the sum of the codes anew");
  CHECK(codes == 0x2a55d4e7e71abb25u);
}

TEST_CASE("cpu/kv_store: scales of eight-bit blocks") {
  CHECK(scale_of(block_exponent(127.0f)) == 1);
  CHECK(scale_of(block_exponent(std::nextafter(127.0f, 200.0f))) == 2);
  CHECK(scale_of(block_exponent(0x1p-20f * 127)) == 0x1p-20f);
  CHECK(scale_of(block_exponent(128.0f)) == 2);
  for (float small : {0.0f, 0x1p-149f, 0x1p-113f}) CHECK(scale_of(block_exponent(small)) == 0x1p-118f);
  for (float x = 0x1p-111f; x < 0x1p99f; x *= 1.37f) {
    float const s = scale_of(block_exponent(x));
    CHECK((s * 127 >= x && (s == 0x1p-118f || s / 2 * 127 < x)));
  }
}

TEST_CASE("cpu/kv_store: what is not finite stays so, and beside it only its block") {
  for (float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 0x1p120f}) {
    kv_store<float> kv(2, 1, 16, 1, 64, kv_format::int8);
    std::vector<float> key(64, 1.0f), value(64, 2.0f);
    key[3] = bad, value[40] = bad;
    kv.append(1, 0, 0, 5, key.data(), value.data());
    reader<float> read{kv};
    CHECK(std::isnan(read.key(0, 0, 5, 0)));
    CHECK(read.key(0, 0, 5, 32) == 1);
    CHECK(read.value(0, 0, 5, 0) == 2);
    CHECK(std::isnan(read.value(0, 0, 5, 33)));
    CHECK(read.key(0, 0, 4, 0) == 0);
  }
}
