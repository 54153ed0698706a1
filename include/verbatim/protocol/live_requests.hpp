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
  /// Under a name that the client gave (requests of one rollout often have one beginning), or one that the server made.
  void add(std::string id, bool given, std::shared_ptr<mailbox> const& box) {
    std::lock_guard lock(mutex_);
    if (entries_.size() >= 2 * swept_ + 64) {
      std::erase_if(entries_, [](auto const& e) { return e.second.box.expired(); });
      swept_ = entries_.size();
    }
    entries_.emplace(std::move(id), entry{box, given});
  }
  /// Stops the requests of that name. Gives how many there were.
  int abort(std::string_view id) {
    return stop(id, [&](std::string_view name, bool) { return name == id; });
  }
  /// Also those whose clients gave names that begin so.
  int abort_beginning(std::string_view id) {
    return stop(id, [&](std::string_view name, bool given) { return given || name == id; });
  }

 private:
  struct entry {
    std::weak_ptr<mailbox> box;
    bool given;
  };
  template <class Match> int stop(std::string_view id, Match match) {
    int n = 0;
    std::lock_guard lock(mutex_);
    for (auto at = entries_.lower_bound(id); at != entries_.end() && at->first.compare(0, id.size(), id) == 0; ++at)
      if (match(at->first, at->second.given))
        if (auto const box = at->second.box.lock(); box && !box->cancelled()) box->cancel(), ++n;
    return n;
  }

  std::mutex mutex_;
  std::multimap<std::string, entry, std::less<>> entries_;
  std::size_t swept_ = 0;
};

}  // namespace verbatim
