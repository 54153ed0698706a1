// SHA-256 (FIPS 180-4), so that comparing keys and telling weights apart needs no cryptography library. Plain, one pass, no
// tables in memory but the 64 constants. Cost: some 300 MB/s of one core.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace verbatim {

using sha256_digest = std::array<std::uint8_t, 32>;

namespace detail {
inline constexpr std::array<std::uint32_t, 64> sha256_k = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr void sha256_block(std::array<std::uint32_t, 8>& h, std::array<std::uint8_t, 64> const& block) noexcept {
  std::array<std::uint32_t, 64> w{};
  for (std::size_t i = 0; i < 16; ++i)
    w[i] = std::uint32_t(block[4 * i]) << 24 | std::uint32_t(block[4 * i + 1]) << 16 | std::uint32_t(block[4 * i + 2]) << 8 | block[4 * i + 3];
  for (std::size_t i = 16; i < 64; ++i) {
    std::uint32_t const s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    std::uint32_t const s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto v = h;
  for (std::size_t i = 0; i < 64; ++i) {
    std::uint32_t const s1 = std::rotr(v[4], 6) ^ std::rotr(v[4], 11) ^ std::rotr(v[4], 25);
    std::uint32_t const t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha256_k[i] + w[i];
    std::uint32_t const s0 = std::rotr(v[0], 2) ^ std::rotr(v[0], 13) ^ std::rotr(v[0], 22);
    std::uint32_t const t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    v = {t1 + t2, v[0], v[1], v[2], v[3] + t1, v[4], v[5], v[6]};
  }
  for (std::size_t i = 0; i < 8; ++i) h[i] += v[i];
}
}  // namespace detail

/// A digest of what comes in pieces.
class sha256_hash {
 public:
  constexpr void update(std::uint8_t const* bytes, std::size_t n) noexcept {
    size_ += n;
    for (std::size_t i = 0; i < n; ++i) put(bytes[i]);
  }
  constexpr void update(std::string_view text) noexcept {
    size_ += text.size();
    for (char c : text) put(std::uint8_t(c));
  }
  /// The digest of everything so far; the object is used up.
  constexpr sha256_digest finish() noexcept {
    put(0x80);
    while (fill_ != 56) put(0);
    for (int shift = 56; shift >= 0; shift -= 8) put(std::uint8_t(size_ * 8 >> shift));
    sha256_digest out{};
    for (std::size_t i = 0; i < 32; ++i) out[i] = std::uint8_t(state_[i / 4] >> (24 - 8 * (i % 4)));
    return out;
  }

 private:
  constexpr void put(std::uint8_t byte) noexcept {
    block_[fill_++] = byte;
    if (fill_ == 64) detail::sha256_block(state_, block_), fill_ = 0;
  }

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, 64> block_{};
  std::size_t fill_ = 0;
  std::uint64_t size_ = 0;
};

constexpr sha256_digest sha256(std::string_view text) noexcept {
  sha256_hash h;
  h.update(text);
  return h.finish();
}

/// 64 hexadecimal digits.
inline std::string to_hex(sha256_digest const& digest) {
  constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (std::uint8_t byte : digest) out += {hex[byte >> 4], hex[byte & 15]};
  return out;
}

}  // namespace verbatim
