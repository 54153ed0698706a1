// Lines on standard error with the time, from any thread. A thread of their own writes them, so nobody else waits for whoever reads standard
// error (a terminal that nobody reads holds up a write, whatever poll said of it). Lines that find the queue full are counted instead, and
// the next one that finds room says how many are missing.
#pragma once
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <ctime>
#include <memory>
#include <mutex>
#include <new>
#include <poll.h>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace cli {

/// The process must ignore SIGPIPE: a reader may go at any time.
class log_lines {
 public:
  explicit log_lines(int descriptor = STDERR_FILENO) : shared_(std::make_shared<shared>()) {
    std::thread([to = shared_, descriptor] { to->write_all(descriptor); }).detach();   // it may be held up for ever, and the program ends all the same
  }
  log_lines(log_lines const&) = delete;
  /// Waits a second at most for what was said last.
  ~log_lines() {
    std::unique_lock lock(shared_->mutex);
    shared_->ending = true;
    shared_->changed.notify_all();
    shared_->changed.wait_for(lock, std::chrono::seconds(1), [&] { return shared_->ended; });
  }

  /// Any length; what is longer than a line may be is cut.
  void operator()(std::string_view line) noexcept { shared_->put(line); }

 private:
  static constexpr std::size_t most_lines = 1024, most_bytes = 1024;   ///< in the queue; of a line

  struct shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> waiting;
    unsigned long lost = 0;
    bool ending = false, ended = false;

    void put(std::string_view line) noexcept {
      std::lock_guard lock(mutex);
      if (waiting.size() == most_lines) {
        ++lost;
        return;
      }
      try {
        std::string out;
        if (lost > 0) out = now() + " " + std::to_string(lost) + " lines before this one found no room\n";
        out.append(now()).append(" ").append(line.substr(0, most_bytes)).append("\n");
        waiting.push_back(std::move(out));
        lost = 0;
      } catch (std::bad_alloc const&) {
        ++lost;
      }
      changed.notify_all();
    }
    void write_all(int descriptor) {
      std::vector<std::string> lines;
      std::unique_lock lock(mutex);
      while (changed.wait(lock, [&] { return ending || !waiting.empty(); }), !waiting.empty()) {
        lines.swap(waiting);
        lock.unlock();
        for (std::string const& line : lines) write_whole(descriptor, line);
        lines.clear();
        lock.lock();
      }
      ended = true;
      changed.notify_all();
    }
  };

  /// Whatever hinders it for good loses the line.
  static void write_whole(int descriptor, std::string_view text) {
    while (!text.empty()) {
      auto const n = ::write(descriptor, text.data(), text.size());
      if (n >= 0) {
        text.remove_prefix(std::size_t(n));
      } else if (errno == EAGAIN) {
        pollfd p{descriptor, POLLOUT, 0};
        ::poll(&p, 1, -1);
      } else if (errno != EINTR) {
        return;
      }
    }
  }
  static std::string now() {
    std::time_t const seconds = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[32];
    return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
  }

  std::shared_ptr<shared> shared_;
};

}  // namespace cli
