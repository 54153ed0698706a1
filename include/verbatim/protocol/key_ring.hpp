// API keys. Only their SHA-256 digests are kept, and every key is compared in full, so the time of a check tells nothing
// about which key, or how much of it, was right.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/protocol/exchange.hpp"
#include "verbatim/core/sha256.hpp"

namespace verbatim {

class key_ring {
 public:
  key_ring() = default;
  explicit key_ring(std::vector<std::string> const& keys) {
    for (auto const& key : keys) digests_.push_back(sha256(key));
  }
  /// No keys: everyone may enter.
  bool open() const noexcept { return digests_.empty(); }

  /// `authorization`: the value of the Authorization header, `Bearer KEY`.
  bool admits(std::string_view authorization) const noexcept {
    if (open()) return true;
    constexpr std::string_view scheme = "Bearer ";
    if (authorization.size() < scheme.size() || !same_name(authorization.substr(0, scheme.size()), scheme)) return false;
    sha256_digest const given = sha256(authorization.substr(scheme.size()));
    unsigned found = 0;
    for (auto const& key : digests_) {
      unsigned difference = 0;
      for (std::size_t i = 0; i < given.size(); ++i) difference |= unsigned(given[i] ^ key[i]);
      found |= unsigned(difference == 0);
    }
    return found != 0;
  }

 private:
  std::vector<sha256_digest> digests_;
};

}  // namespace verbatim
