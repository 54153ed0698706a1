// Which requests are being answered, by id, so that one can be stopped from outside. Thread-safe. It keeps nothing alive:
// entries of answers that are over go when others come. Cost: a lock and a hash table entry per request.
#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "verbatim/protocol/mailbox.hpp"

namespace verbatim {

class live_requests {
 public:
  void add(std::string id, std::shared_ptr<mailbox> const& box) {
    std::lock_guard lock(mutex_);
    if (boxes_.size() >= 2 * swept_ + 64) {
      std::erase_if(boxes_, [](auto const& entry) { return entry.second.expired(); });
      swept_ = boxes_.size();
    }
    boxes_.emplace(std::move(id), box);
  }
  /// Stops the requests of that id; an answer's id with its prefix is taken too. Gives how many there were.
  int abort(std::string_view id) {
    for (std::string_view const prefix : {"chatcmpl-", "cmpl-"})
      if (id.substr(0, prefix.size()) == prefix) id.remove_prefix(prefix.size());
    int n = 0;
    std::lock_guard lock(mutex_);
    auto const [begin, end] = boxes_.equal_range(std::string(id));
    for (auto at = begin; at != end; ++at)
      if (auto const box = at->second.lock()) box->cancel(), ++n;
    return n;
  }

 private:
  std::mutex mutex_;
  std::unordered_multimap<std::string, std::weak_ptr<mailbox>> boxes_;
  std::size_t swept_ = 0;
};

}  // namespace verbatim
