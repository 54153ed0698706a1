// The bodies of staged.hpp (core/separate.hpp says who includes this).
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "verbatim/core/error.hpp"
#include "verbatim/weights/checkpoint.hpp"
#include "verbatim/weights/safetensors.hpp"
#include "verbatim/weights/staged.hpp"

namespace verbatim::weights {

VERBATIM_BODY void staged::copy(tensor const& t) {
  if (t.where == memory_space::device) {
    tensors_.push_back(t);
    tensors_.back().name = copies_.emplace_back(std::string(t.name), nullptr).first;
    return;
  }
  auto& kept = copies_.emplace_back(std::string(t.name), std::make_unique<std::byte[]>(std::max<std::size_t>(t.bytes(), 1)));
  std::copy_n(static_cast<std::byte const*>(t.data), t.bytes(), kept.second.get());
  tensors_.push_back({kept.first, t.type, t.shape, kept.second.get()});
}

VERBATIM_BODY void staged::add(std::string bytes, std::string name) {
  auto const& f = *files_.emplace_back(std::make_unique<file>(std::move(bytes), std::move(name)));
  for (stored_tensor const& t : f.parsed.list()) tensors_.push_back(f.parsed.access(t));
}

VERBATIM_BODY std::string read_whole(std::filesystem::path const& path) {
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

VERBATIM_BODY staged::staged(std::filesystem::path const& directory) {
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
