// Lines on standard error with the time, from any thread. They do not wait for whoever reads standard error: a line of a request that
// finds no room is counted instead, and the next one that finds some says how many are missing.
#pragma once
#include <cstdio>
#include <ctime>
#include <mutex>
#include <poll.h>
#include <string>
#include <string_view>
#include <unistd.h>

namespace cli {

class log_lines {
 public:
  explicit log_lines(int descriptor = STDERR_FILENO) : descriptor_(descriptor) {}

  /// Of a request: lost where there is no room for it now.
  void request(std::string_view line) { write(line, 0); }
  /// Of the server itself: waits a second at most.
  void server(std::string_view line) { write(line, 1000); }

 private:
  static constexpr std::size_t most = 1024;   ///< of a line; a pipe that has room at all has room for 4096 bytes

  bool has_room(int milliseconds) const {
    pollfd p{descriptor_, POLLOUT, 0};
    return ::poll(&p, 1, milliseconds) == 1 && (p.revents & (POLLOUT | POLLERR)) == POLLOUT;   // POLLERR: nobody reads; a write would be the end
  }
  void write(std::string_view line, int patience) {
    bool const room = has_room(patience);
    std::lock_guard lock(mutex_);
    if (!room || !has_room(0)) {
      ++lost_;
      return;
    }
    std::string out;
    if (lost_ > 0) out = now() + " " + std::to_string(lost_) + " lines before this one found no room\n";
    out.append(now()).append(" ").append(line.substr(0, most)).append("\n");
    if (::write(descriptor_, out.data(), out.size()) > 0) lost_ = 0; else ++lost_;
  }
  static std::string now() {
    std::time_t const seconds = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[32];
    return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
  }

  int descriptor_;
  std::mutex mutex_;
  unsigned long lost_ = 0;
};

}  // namespace cli
