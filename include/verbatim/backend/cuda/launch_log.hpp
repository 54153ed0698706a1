// What is launched under each key, for the executor that has no graphs: a graph would launch on a GPU what was recorded, whatever would be
// launched now, so the two have to be the same: kernels, blocks and parameters – addresses and numbers. Cost: a copy of the
// parameters a launch and key.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "verbatim/backend/cuda/recorded_graphs.hpp"
#include "verbatim/simt/host_block.hpp"

namespace verbatim::cuda {

class launch_log {
 public:
  void begin() { now_.clear(), open_ = true; }
  template <class Params> void add([[maybe_unused]] Params const& p) {
    static_assert(std::is_trivially_copyable_v<Params>);
    if (!open_) return;
    entry e{__PRETTY_FUNCTION__, {}};
#if __has_builtin(__builtin_clear_padding)
    Params copy = p;
    __builtin_clear_padding(&copy);
    e.bytes.assign(reinterpret_cast<char const*>(&copy), sizeof copy);
#endif   // other compilers cannot tell padding from members: there, kernels and their number are compared
    now_.push_back(std::move(e));
  }
  /// Nothing is known of a key whose launches were not all made.
  void cancel() noexcept { open_ = false; }
  /// Throws simt::defect where the key has stood for other launches.
  void end(graph_key const& key) {
    open_ = false;
    auto const [found, is_new] = of_.try_emplace(key, now_);
    if (is_new) return;
    auto const& then = found->second;
    for (std::size_t i = 0; i < std::max(then.size(), now_.size()); ++i)
      if (i >= then.size() || i >= now_.size() || then[i] != now_[i])
        throw simt::defect(simt::defect::kind::bad_launch, "launch " + std::to_string(i) + " of a replay is not the one that was recorded under its key: " +
                                                               name_of(now_, i) + " now, then " + name_of(then, i));
  }

 private:
  struct entry {
    char const* kernel;   // by name: what is launched has no address here
    std::string bytes;
    bool operator==(entry const& o) const { return std::strcmp(kernel, o.kernel) == 0 && bytes == o.bytes; }
  };
  static std::string name_of(std::vector<entry> const& all, std::size_t i) { return i < all.size() ? all[i].kernel : "nothing"; }

  bool open_ = false;
  std::vector<entry> now_;
  std::map<graph_key, std::vector<entry>> of_;
};

}  // namespace verbatim::cuda
