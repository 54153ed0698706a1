// A whole file mapped read-only. Opening reads nothing; pages come in as they are touched and are shared with the page
// cache, so a mapped checkpoint costs no memory of its own. The bytes are as hostile as the file: readers check bounds.
// Invariant: bytes() stays valid and at the same address until destruction, also after release(). A file that someone
// truncates while it is mapped raises SIGBUS on access; replace checkpoints by renaming, never by rewriting in place.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "verbatim/core/error.hpp"

namespace verbatim::weights {

/// What the kernel is told about the coming accesses.
enum class access { normal, sequential, random, will_need };

class mapped_file {
 public:
  /// Throws error("checkpoint", 1) naming the file: missing, not a regular file, not readable, not mappable.
  explicit mapped_file(std::filesystem::path path) : path_(std::move(path)) {
    // O_NONBLOCK: a named pipe must not hang the open; it is refused just after.
    int const fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) fail("cannot be opened", errno);
    struct ::stat info {};
    int problem = ::fstat(fd, &info) != 0 ? errno : 0;
    bool const regular = problem == 0 && S_ISREG(info.st_mode);
    if (regular && info.st_size > 0) {
      void* const at = ::mmap(nullptr, std::size_t(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
      if (at == MAP_FAILED) problem = errno;
      else data_ = at, size_ = std::size_t(info.st_size);
    }
    ::close(fd);
    if (problem != 0) fail("cannot be mapped", problem);
    if (!regular) fail("is not a regular file", 0);
  }
  mapped_file(mapped_file&& other) noexcept
      : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~mapped_file() {
    if (data_) ::munmap(data_, size_);
  }

  std::filesystem::path const& path() const noexcept { return path_; }
  std::span<std::byte const> bytes() const noexcept { return {static_cast<std::byte const*>(data_), size_}; }
  std::string_view text() const noexcept { return {static_cast<char const*>(data_), size_}; }

  /// A hint; what it cannot do it leaves.
  void advise(access a) const noexcept {
    constexpr int hints[] = {MADV_NORMAL, MADV_SEQUENTIAL, MADV_RANDOM, MADV_WILLNEED};
    if (data_) ::madvise(data_, size_, hints[std::size_t(a)]);
  }
  /// Gives the resident pages back. The bytes stay valid: touching them reads the file again.
  void release() const noexcept {
    if (data_) ::madvise(data_, size_, MADV_DONTNEED);
  }
  /// The same for the whole pages within a part of a mapped file.
  static void release(std::span<std::byte const> part) noexcept {
    auto const page = std::uintptr_t(::sysconf(_SC_PAGESIZE)), from = reinterpret_cast<std::uintptr_t>(part.data());
    std::uintptr_t const first = (from + page - 1) / page * page, end = (from + part.size()) / page * page;
    if (first < end) ::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
  }

 private:
  [[noreturn]] void fail(char const* what, int number) const {
    std::string message = path_.string() + ": " + what;
    if (number != 0) message += std::string(": ") + std::strerror(number);
    throw error("checkpoint", 1, message);
  }

  std::filesystem::path path_;
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace verbatim::weights
