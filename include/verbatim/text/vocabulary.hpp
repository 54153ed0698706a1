// Strings with ids, in one block of memory, found by an open-addressing table at most half full. The hash is seeded at random
// in each process, so that a hostile file cannot make its strings collide. Look-up: one hash and usually one comparison.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/token.hpp"

namespace verbatim::detail {

inline std::uint64_t hash_seed() {
  static std::uint64_t const seed = std::uint64_t(std::random_device{}()) << 32 ^ std::random_device{}();
  return seed;
}

inline std::uint64_t hash_mix(std::uint64_t a, std::uint64_t b) noexcept {
  auto const product = static_cast<unsigned __int128>(a) * b;
  return std::uint64_t(product) ^ std::uint64_t(product >> 64);
}

inline std::uint64_t hash_bytes(char const* p, std::size_t n, std::uint64_t seed) noexcept {
  auto const load = [](char const* at, std::size_t size) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, size);
    return word;
  };
  std::uint64_t h = seed ^ n * 0x9E3779B97F4A7C15u;
  for (; n > 16; p += 16, n -= 16) h = hash_mix(load(p, 8) ^ 0xA0761D6478BD642Fu ^ h, load(p + 8, 8) ^ 0xE7037ED1A0B428DBu);
  std::uint64_t a = 0, b = 0;
  if (n >= 8) a = load(p, 8), b = load(p + n - 8, 8);
  else if (n >= 4) a = load(p, 4), b = load(p + n - 4, 4);
  else if (n > 0)
    a = std::uint64_t(static_cast<unsigned char>(p[0])) << 16 | std::uint64_t(static_cast<unsigned char>(p[n / 2])) << 8 | static_cast<unsigned char>(p[n - 1]);
  return hash_mix(a ^ 0xA0761D6478BD642Fu ^ h, b ^ 0x8EBC6AF09C88C6E3u ^ seed);
}

class vocabulary {
 public:
  static constexpr std::int64_t most_ids = 1 << 24;

  /// Adds a string; its id must not have one yet. An id below 0 or from most_ids on is an error of the caller.
  bool add(std::string_view text, token id) {
    if (std::size_t(id) >= places_.size()) places_.resize(std::size_t(id) + 1, {0, absent});
    auto& p = places_[std::size_t(id)];
    if (p.length != absent) return false;
    p = {std::uint32_t(block_.size()), std::uint32_t(text.size())};
    block_ += text;
    ++count_;
    return true;
  }
  /// Makes everything that was added findable; of equal strings the lowest id.
  void index() {
    slots_.assign(std::bit_ceil(count_ * 2 + 2), {0, -1});
    for (std::size_t id = 0; id < places_.size(); ++id)
      if (places_[id].length != absent) insert(token(id));
  }

  token find(std::string_view text) const noexcept {
    if (slots_.empty()) return -1;
    std::uint64_t const h = hash_bytes(text.data(), text.size(), seed_);
    auto const tag = std::uint32_t(h >> 32);
    for (std::size_t i = h & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
      auto const& s = slots_[i];
      if (s.id < 0 || (s.tag == tag && (*this)[s.id] == text)) return s.id;
    }
  }
  bool has(token id) const noexcept { return id >= 0 && std::size_t(id) < places_.size() && places_[std::size_t(id)].length != absent; }
  /// The string of an id that it has.
  std::string_view operator[](token id) const noexcept {
    auto const& p = places_[std::size_t(id)];
    return {block_.data() + p.begin, p.length};
  }
  /// The greatest id and one.
  std::size_t bound() const noexcept { return places_.size(); }
  std::size_t size() const noexcept { return count_; }
  std::size_t bytes() const noexcept { return block_.size(); }

 private:
  static constexpr std::uint32_t absent = ~std::uint32_t(0);
  struct place {
    std::uint32_t begin, length;
  };
  struct slot {
    std::uint32_t tag;
    token id;
  };
  void insert(token id) {
    std::string_view const text = (*this)[id];
    std::uint64_t const h = hash_bytes(text.data(), text.size(), seed_);
    for (std::size_t i = h & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
      auto& s = slots_[i];
      if (s.id < 0) return void(s = {std::uint32_t(h >> 32), id});
      if (s.tag == std::uint32_t(h >> 32) && (*this)[s.id] == text) return;
    }
  }

  std::string block_;
  std::vector<place> places_;
  std::vector<slot> slots_;
  std::size_t count_ = 0;
  std::uint64_t seed_ = hash_seed();
};

}  // namespace verbatim::detail
