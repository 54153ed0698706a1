// Which requests are being answered, by id, so that one can be stopped from outside. Thread-safe. It keeps nothing alive:
// entries of answers that are over go when others come. Cost: a lock and an entry of an ordered table per request.
#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

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
  /// Stops the requests of that id, the client's or, with its prefix, an answer's. Gives how many there were.
  int abort(std::string_view id) { return stop(id, [](std::string_view key, std::string_view wanted) { return key == wanted; }); }
  /// Stops the requests whose id begins so.
  int abort_beginning(std::string_view id) { return stop(id, [](std::string_view key, std::string_view wanted) { return key.substr(0, wanted.size()) == wanted; }); }

 private:
  template <class Match> int stop(std::string_view id, Match match) {
    int n = 0;
    std::lock_guard lock(mutex_);
    for (std::string_view const prefix : {"", "chatcmpl-", "cmpl-"}) {
      if (id.substr(0, prefix.size()) != prefix || id.size() == prefix.size()) continue;
      std::string_view const wanted = id.substr(prefix.size());
      for (auto at = boxes_.lower_bound(wanted); at != boxes_.end() && match(at->first, wanted); ++at)
        if (auto const box = at->second.lock(); box && !box->cancelled()) box->cancel(), ++n;
    }
    return n;
  }

  std::mutex mutex_;
  std::multimap<std::string, std::weak_ptr<mailbox>, std::less<>> boxes_;
  std::size_t swept_ = 0;
};

}  // namespace verbatim
