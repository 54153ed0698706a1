// Tensors that were brought into memory as a whole before any of them is used: the first half of replacing a running
// engine's weights. What can go wrong on the way (a cut connection, a truncated file, a malformed header) goes wrong here,
// while the old weights serve on. Also a weight_source.
// Invariants: tensors are owned, or borrowed from what the caller keeps alive; they do not move. Cost: the bytes, once.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <concepts>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/weights/checkpoint.hpp"
#include "verbatim/weights/concept.hpp"
#include "verbatim/weights/safetensors.hpp"

namespace verbatim::weights {

class staged {
 public:
  /// Tensors of the caller's, who keeps them alive and unchanged.
  explicit staged(std::span<tensor const> borrowed) : tensors_(borrowed.begin(), borrowed.end()) {}

  /// The bytes of one safetensors file; `name` stands for it in messages. Throws error("checkpoint", 2 | 4 | 5 | 6).
  staged(std::string bytes, std::string name) { add(std::move(bytes), std::move(name)); }

  /// A folder with model.safetensors, or with model.safetensors.index.json and its shards, read into memory.
  /// Throws error("checkpoint", 1 | 2 | 4 | 5 | 6 | 8 | 9).
  explicit staged(std::filesystem::path const& directory);

  staged(staged&&) = default;

  /// Adds a tensor of one's own; what lies in a device's memory stays there, and the caller's.
  void copy(tensor const& t) {
    if (t.where == memory_space::device) {
      tensors_.push_back(t);
      tensors_.back().name = copies_.emplace_back(std::string(t.name), nullptr).first;
      return;
    }
    auto& kept = copies_.emplace_back(std::string(t.name), std::make_unique<std::byte[]>(std::max<std::size_t>(t.bytes(), 1)));
    std::copy_n(static_cast<std::byte const*>(t.data), t.bytes(), kept.second.get());
    tensors_.push_back({kept.first, t.type, t.shape, kept.second.get()});
  }

  std::span<tensor const> tensors() const noexcept { return tensors_; }
  std::size_t bytes() const noexcept {
    std::size_t sum = 0;
    for (tensor const& t : tensors_) sum += t.bytes();
    return sum;
  }
  std::uint64_t version() const noexcept { return 0; }
  void each(void (*visit)(tensor const&, void*), void* self) const {
    for (tensor const& t : tensors_) visit(t, self);
  }

 private:
  struct file {
    file(std::string b, std::string name)
        : bytes(std::move(b)), parsed({reinterpret_cast<std::byte const*>(bytes.data()), bytes.size()}, std::move(name)) {}
    std::string const bytes;
    safetensors parsed;
  };
  void add(std::string bytes, std::string name) {
    auto const& f = *files_.emplace_back(std::make_unique<file>(std::move(bytes), std::move(name)));
    for (stored_tensor const& t : f.parsed.list()) tensors_.push_back(f.parsed.access(t));
  }

  std::vector<std::unique_ptr<file>> files_;
  std::deque<std::pair<std::string, std::unique_ptr<std::byte[]>>> copies_;
  std::vector<tensor> tensors_;   // names and data lie in the files, in the copies or with the caller
};
static_assert(weight_source<staged>);

/// What a source holds, in memory: borrowed where it lies there for good (`tensors()`), else copied.
template <weight_source Source> staged all_of(Source& source) {
  if constexpr (requires { { source.tensors() } -> std::convertible_to<std::span<tensor const>>; }) {
    return staged(std::span<tensor const>(source.tensors()));
  } else {
    staged out{std::span<tensor const>()};
    for_each(source, [&](tensor const& t) { out.copy(t); });
    return out;
  }
}

/// The whole of a file. Throws error("checkpoint", 1) where it cannot be read.
inline std::string read_whole(std::filesystem::path const& path) {
  int const fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw error("checkpoint", 1, path.string() + ": cannot be opened");
  struct closing { int fd; ~closing() { ::close(fd); } } const guard{fd};
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) throw error("checkpoint", 1, path.string() + ": is not a plain file");
  std::string out(std::size_t(info.st_size), '\0');
  for (std::size_t at = 0; at < out.size();) {
    ssize_t const n = ::read(fd, out.data() + at, std::min<std::size_t>(out.size() - at, 1u << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw error("checkpoint", 1, path.string() + ": " + std::to_string(out.size()) + " bytes expected, reading ended at " + std::to_string(at));
    at += std::size_t(n);
  }
  return out;
}

inline staged::staged(std::filesystem::path const& directory) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored)) throw error("checkpoint", 1, directory.string() + ": is not a folder");
  auto const single = directory / "model.safetensors", index = directory / "model.safetensors.index.json";
  if (std::filesystem::exists(single, ignored)) {
    add(read_whole(single), single.string());
    return;
  }
  if (!std::filesystem::exists(index, ignored))
    throw error("checkpoint", 1, directory.string() + ": neither model.safetensors nor model.safetensors.index.json is here");
  auto const map = parse_index(read_whole(index), index.string());
  std::map<std::string, std::size_t, std::less<>> shards;
  for (auto const& [name, shard] : map) shards.emplace(shard, 0);
  for (auto& [name, at] : shards) {
    if (!std::filesystem::exists(directory / name, ignored))
      throw error("checkpoint", 9, index.string() + ": the shard " + detail::shown(name) + " is missing");
    at = files_.size();
    files_.push_back(std::make_unique<file>(read_whole(directory / name), (directory / name).string()));
  }
  for (auto const& [name, shard] : map) {
    auto const& in = files_[shards.find(shard)->second]->parsed;
    if (!in.find(name))
      throw error("checkpoint", 9, index.string() + ": tensor \"" + detail::shown(name) + "\" is not in its shard " + detail::shown(shard));
    tensors_.push_back(in.access(name));
  }
}

}  // namespace verbatim::weights
