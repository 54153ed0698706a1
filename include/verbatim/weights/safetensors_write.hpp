// Writes a safetensors file: for tests, random models and saved refits.
// Invariant: the file appears under its name only when complete (written beside it, then renamed), so that a reader that
// has the old one mapped keeps it. Tensors are laid out in the order given, which keeps data aligned when wider types
// come first; the header is padded to 8 bytes.
// Cost: one pass over the data, no copy of it.
#pragma once
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "verbatim/core/error.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/text/json.hpp"

namespace verbatim::weights {

using file_metadata = std::span<std::pair<std::string, std::string> const>;

/// The 8 bytes of length and the padded JSON header of a file that holds `tensors` in this order.
inline std::string safetensors_header(std::span<tensor const> tensors, file_metadata metadata = {}) {
  json top = json::object();
  auto& entries = static_cast<json::object_t::Container&>(top.get_ref<json::object_t&>());   // appended: linear time
  json extra = json::object();
  for (auto const& [key, value] : metadata) extra[key] = value;
  if (!metadata.empty()) entries.emplace_back("__metadata__", std::move(extra));
  std::uint64_t at = 0;
  for (tensor const& t : tensors) {
    json shape = json::array();
    for (int i = 0; i < t.shape.rank; ++i) shape.push_back(t.shape.size[std::size_t(i)]);
    json entry = {{"dtype", name_of(t.type)}, {"shape", std::move(shape)}, {"data_offsets", {at, at + t.bytes()}}};
    entries.emplace_back(std::string(t.name), std::move(entry));
    at += t.bytes();
  }
  std::string text = dump_json(top);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::uint64_t const length = text.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + text;
}

/// Names must differ. Throws error("checkpoint", 10) with the reason where the file cannot be written; nothing is left then.
inline void write_safetensors(std::filesystem::path const& path, std::span<tensor const> tensors, file_metadata metadata = {}) {
  std::filesystem::path const draft = path.string() + ".part";
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(draft.c_str(), "wb"), &std::fclose);
  bool good = file != nullptr;
  auto const put = [&](void const* data, std::size_t size) {
    good = good && (size == 0 || std::fwrite(data, 1, size, file.get()) == size);
  };
  std::string const header = safetensors_header(tensors, metadata);
  put(header.data(), header.size());
  for (tensor const& t : tensors) put(t.data, t.bytes());
  int problem = good ? 0 : errno;
  if (file && std::fclose(file.release()) != 0 && problem == 0) problem = errno;
  if (problem == 0 && good && std::rename(draft.c_str(), path.c_str()) == 0) return;
  if (problem == 0) problem = errno;
  std::remove(draft.c_str());
  throw error("checkpoint", 10, path.string() + ": cannot be written: " + std::strerror(problem));
}

}  // namespace verbatim::weights
