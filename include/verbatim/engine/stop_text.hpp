// Stop strings over streamed text. What is released never contains the beginning of a match that could still complete,
// and the outcome does not depend on how the text was cut into pieces: the match that completes first wins, and of
// those that complete together the longest. Cost: O(piece x stop strings x length) per push, nothing when there are none.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace verbatim {

class stop_text {
 public:
  /// `stops` must outlive this object and holds valid, non-empty UTF-8 strings.
  stop_text(std::vector<std::string> const& stops, bool include) : stops_(&stops), include_(include) {}

  /// Adds a piece; appends to `out` what may be shown now. Returns the stop string that matched, or null.
  std::string const* push(std::string_view piece, std::string& out) {
    if (stops_->empty()) {
      out += piece;
      return nullptr;
    }
    held_ += piece;
    std::string const* match = nullptr;
    std::size_t begin = 0, end = std::string::npos;
    for (std::string const& stop : *stops_) {
      std::size_t const at = held_.find(stop);
      if (at == held_.npos) continue;
      if (at + stop.size() < end || (at + stop.size() == end && at < begin)) match = &stop, begin = at, end = at + stop.size();
    }
    std::size_t const shown = match ? (include_ ? end : begin) : held_.size() - open_suffix();
    out.append(held_, 0, shown);
    held_.erase(0, match ? held_.size() : shown);
    return match;
  }
  /// Adds a piece in which no stop string may end; one that begins there may still end later.
  void pass(std::string_view piece, std::string& out) {
    held_ += piece;
    std::size_t const shown = held_.size() - open_suffix();
    out.append(held_, 0, shown);
    held_.erase(0, shown);
  }
  /// The output ended without a match: what was held back is text after all.
  void finish(std::string& out) {
    out += held_;
    held_.clear();
  }

 private:
  /// Length of the longest end of `held_` that is a proper beginning of some stop string. Stop strings start on a code
  /// point, so cutting there never splits one.
  std::size_t open_suffix() const {
    std::size_t longest = 0;
    for (std::string const& stop : *stops_)
      for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > longest; --n)
        if (std::string_view(held_).substr(held_.size() - n) == std::string_view(stop).substr(0, n)) longest = n;
    return longest;
  }

  std::vector<std::string> const* stops_;
  bool include_;
  std::string held_;
};

}  // namespace verbatim
