// lanes<scalar>: an array, for any processor. The definition of what the other widths must compute.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

#include "verbatim/backend/cpu/simd.hpp"

namespace verbatim::cpu {

template <> struct lanes<scalar> {
  float v[16];

  lanes() = default;
  explicit lanes(float x) noexcept {
    for (float& a : v) a = x;
  }
  static lanes load(float const* p) noexcept {
    lanes r;
    std::memcpy(r.v, p, 64);
    return r;
  }
  static lanes load(bf16 const* p) noexcept {
    lanes r;
    for (int i = 0; i < 16; ++i) r.v[i] = to_float(p[i]);
    return r;
  }
  static lanes load_words(std::uint32_t const* p) noexcept {
    lanes r;
    std::memcpy(r.v, p, 64);
    return r;
  }
  static lanes all_words(std::uint32_t w) noexcept {
    lanes r;
    for (float& a : r.v) std::memcpy(&a, &w, 4);
    return r;
  }
  void store(float* p) const noexcept { std::memcpy(p, v, 64); }
  void store(bf16* p) const noexcept {
    for (int i = 0; i < 16; ++i) p[i] = verbatim::to_bf16(v[i]);
  }
  lanes to_bf16() const noexcept {
    return each([](float x) { return to_float(verbatim::to_bf16(x)); });
  }
  /// The even-numbered (lower) and odd-numbered (upper) bf16 of each word, widened.
  lanes lower() const noexcept {
    return each([](float x) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) << 16); });
  }
  lanes upper() const noexcept {
    return each([](float x) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0xffff0000u); });
  }
  /// 2^23 + the number in bits [first, first + count) of each word, at most 22 of them.
  lanes field(int first, int count) const noexcept {
    return each([=](float x) { return std::bit_cast<float>((std::bit_cast<std::uint32_t>(x) >> first & ((1u << count) - 1)) | 0x4b000000u); });
  }
  /// Lanes first <= i < last stay, the others become x.
  lanes keep(int first, int last, float x) const noexcept {
    lanes r;
    for (int i = 0; i < 16; ++i) r.v[i] = i >= first && i < last ? v[i] : x;
    return r;
  }

  friend lanes operator+(lanes a, lanes b) noexcept { return a.with(b, [](float x, float y) { return x + y; }); }
  friend lanes operator-(lanes a, lanes b) noexcept { return a.with(b, [](float x, float y) { return x - y; }); }
  friend lanes operator*(lanes a, lanes b) noexcept { return a.with(b, [](float x, float y) { return x * y; }); }
  friend lanes operator/(lanes a, lanes b) noexcept { return a.with(b, [](float x, float y) { return x / y; }); }
  friend lanes max(lanes a, lanes b) noexcept { return a.with(b, math::max); }
  friend lanes min(lanes a, lanes b) noexcept { return a.with(b, math::min); }
  friend lanes fma(lanes a, lanes b, lanes c) noexcept {
    for (int i = 0; i < 16; ++i) c.v[i] = math::fma(a.v[i], b.v[i], c.v[i]);
    return c;
  }
  friend lanes power_of_two(lanes n) noexcept { return n.each(math::power_of_two); }

 private:
  template <class F> lanes each(F f) const noexcept {
    lanes r;
    for (int i = 0; i < 16; ++i) r.v[i] = f(v[i]);
    return r;
  }
  template <class F> lanes with(lanes b, F f) const noexcept {
    for (int i = 0; i < 16; ++i) b.v[i] = f(v[i], b.v[i]);
    return b;
  }
};

}  // namespace verbatim::cpu
