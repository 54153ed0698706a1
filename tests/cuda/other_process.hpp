// This program again, in another process, with another test: what is exported or broadcast has somebody at the other end.
#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "gpu.hpp"
#include "verbatim/backend/cuda/transfer.hpp"
#include "verbatim/core/error.hpp"

namespace other_process {

inline constexpr char const *pipes_variable = "VERBATIM_TEST_PIPES", *devices_variable = "CUDA_VISIBLE_DEVICES";

/// Pipes between two processes, of plain data.
struct pipes {
  int from = -1, to = -1;
  template <class T> void send(T const& value) const { REQUIRE(::write(to, &value, sizeof value) == ssize_t(sizeof value)); }
  template <class T> T receive() const {
    T value;
    REQUIRE(::read(from, &value, sizeof value) == ssize_t(sizeof value));   // no piece is larger than a pipe takes at once
    return value;
  }
  /// Until the other process has closed its end.
  void wait() const {
    char none;
    CHECK(::read(from, &none, 1) == 0);
  }
};

/// The process: started anew, since a context of a device does not survive a fork alone.
struct child : pipes {
  pid_t process = -1;

  /// `devices`: that it sees; null: those of this one.
  explicit child(char const* test, char const* devices = nullptr) {
    std::signal(SIGPIPE, SIG_IGN);   // a process that has gone is a failed check
    int up[2], down[2];
    REQUIRE((::pipe(up) == 0 && ::pipe(down) == 0));
    // Other threads of this process may hold locks (malloc's, getenv's) for ever in a copy of it: all is made before.
    std::string const set[2] = {pipes_variable + ("=" + std::to_string(up[1])) + " " + std::to_string(down[0]),
                                devices_variable + ("=" + std::string(devices ? devices : ""))};
    std::vector<char const*> environment{set[0].c_str()};
    if (devices) environment.push_back(set[1].c_str());
    for (char** v = environ; *v; ++v)
      if (!is(*v, pipes_variable) && !(devices && is(*v, devices_variable))) environment.push_back(*v);
    environment.push_back(nullptr);
    char const* const arguments[] = {"cuda_tests", test, nullptr};
    process = ::fork();
    if (process == 0) {
      ::close(up[0]), ::close(down[1]);
      ::execve("/proc/self/exe", const_cast<char* const*>(arguments), const_cast<char* const*>(environment.data()));
      ::_exit(127);
    }
    ::close(up[1]), ::close(down[0]);
    from = up[0], to = down[1];
    REQUIRE(process > 0);
  }
  child(child const&) = delete;
  /// A check has failed: it may wait for something that never comes.
  ~child() {
    if (process > 0) ::kill(process, SIGKILL), end();
  }
  /// The process's status, once it has been told to end.
  int end() {
    ::close(to), ::close(from);
    int status = -1;
    pid_t const ended = ::waitpid(std::exchange(process, -1), &status, 0);
    return ended > 0 ? status : -1;
  }

 private:
  static bool is(char const* entry, char const* name) { return std::strncmp(entry, name, std::strlen(name)) == 0 && entry[std::strlen(name)] == '='; }
};

/// In the other process: its pipes to the one that started it, or none.
inline bool was_started(pipes& p) {
  char const* const set = std::getenv(pipes_variable);
  if (!set) return false;
  char* rest = nullptr;
  p.to = int(std::strtol(set, &rest, 10)), p.from = int(std::strtol(rest, nullptr, 10));
  return true;
}

/// The second of the devices that this process sees, for another process to see alone; "" where there is one.
inline std::string second_device() {
  if (verbatim::cuda::gpu_count() < 2) return "";
  char const* const set = std::getenv(devices_variable);
  if (!set || !std::strchr(set, ',')) return "1";
  std::string const rest = std::strchr(set, ',') + 1;
  return rest.substr(0, rest.find(','));
}

/// False, and skipped, where there is no NCCL.
inline bool have_nccl(verbatim::cuda::nccl_id& id) {
  try {
    id = verbatim::cuda::make_nccl_id();
    return true;
  } catch (verbatim::error const& e) {
    if (std::string(e.what()).find("cannot be loaded") == std::string::npos) throw;
    skip("NCCL is not installed");
    return false;
  }
}

}  // namespace other_process
