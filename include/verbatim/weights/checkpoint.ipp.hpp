// The bodies of checkpoint.hpp (core/separate.hpp says who includes this).
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "verbatim/core/error.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/text/json.hpp"
#include "verbatim/weights/checkpoint.hpp"
#include "verbatim/weights/mapped_file.hpp"

namespace verbatim::weights {

VERBATIM_BODY bool is_shard_name(std::string_view name) noexcept {
  constexpr std::string_view suffix = ".safetensors";
  return name.size() > suffix.size() && name.size() <= 255 && name.substr(name.size() - suffix.size()) == suffix &&
         name[0] != '.' && name.find_first_of(std::string_view("/\\:\0", 4)) == name.npos;
}

VERBATIM_BODY std::map<std::string, std::string, std::less<>> parse_index(std::string_view text, std::string const& file) {
  auto const fail = [&](std::string const& what) { return error("checkpoint", 8, file + ": " + what); };
  json top;
  try {
    top = parse_json(text, {.depth = 16, .values = 4'000'000});
  } catch (error const& e) {
    throw fail(std::string(e.message()));
  }
  if (!top.is_object() || !top.contains("weight_map") || !top["weight_map"].is_object())
    throw fail("an object with \"weight_map\" expected");
  std::map<std::string, std::string, std::less<>> map;
  for (auto const& [name, shard] : top["weight_map"].items()) {
    if (!shard.is_string()) throw fail("tensor \"" + detail::shown(name) + "\": a file name expected");
    auto const& plain = shard.get_ref<std::string const&>();
    if (!is_shard_name(plain))
      throw fail("tensor \"" + detail::shown(name) + "\": a file NAME.safetensors in the same folder expected, \"" +
                 detail::shown(plain) + "\" found");
    map.emplace(name, plain);
  }
  if (map.empty()) throw fail("weight_map names no tensor");
  return map;
}

VERBATIM_BODY checkpoint::checkpoint(std::filesystem::path directory, std::uint64_t version)
    : directory_(std::move(directory)), version_(version) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory_, ignored)) throw error("checkpoint", 1, directory_.string() + ": is not a folder");
  auto const single = directory_ / "model.safetensors", index = directory_ / "model.safetensors.index.json";
  if (std::filesystem::exists(single, ignored)) open_single(single);
  else if (std::filesystem::exists(index, ignored)) open_shards(index);
  else
    throw error("checkpoint", 1, directory_.string() + ": neither model.safetensors nor model.safetensors.index.json is here "
                                     "(only the safetensors format is read)");
}

VERBATIM_BODY stored_tensor const* checkpoint::find(std::string_view name) const noexcept {
  auto const at = places_.find(name);
  return at == places_.end() ? nullptr : at->second->tensors.find(name);
}

VERBATIM_BODY bool checkpoint::contains(std::string_view name) const noexcept { return places_.find(name) != places_.end(); }

VERBATIM_BODY tensor checkpoint::access(std::string_view name) const {
  auto const at = places_.find(name);
  if (at == places_.end())
    throw error("checkpoint", 7, directory_.string() + ": tensor \"" + detail::shown(name) + "\" is missing");
  return at->second->tensors.access(name);
}

VERBATIM_BODY tensor checkpoint::access(std::string_view name, extents const& expected) const {
  tensor const t = access(name);
  if (t.shape != expected)
    throw error("checkpoint", 3, places_.find(name)->second->tensors.file() + ": tensor \"" + detail::shown(name) + "\": shape " +
                                     to_string(expected) + " expected, " + to_string(t.shape) + " found");
  return t;
}

VERBATIM_BODY void checkpoint::each(void (*visit)(tensor const&, void*), void* self) const {
  list([&](stored_tensor const& t, safetensors const& in) {
    tensor const at = in.access(t);
    visit(at, self);
    mapped_file::release({static_cast<std::byte const*>(at.data), std::size_t(t.end - t.begin)});
  });
}

VERBATIM_BODY std::optional<dtype> checkpoint::type() const {
  std::uint64_t bytes[3] = {}, most = 0;
  std::optional<dtype> out;
  list([&](stored_tensor const& t, safetensors const& in) {
    if (safetensors::readable(t)) bytes[std::size_t(in.access(t).type)] += t.end - t.begin;
  });
  for (auto d : {dtype::f32, dtype::bf16, dtype::f16})
    if (bytes[std::size_t(d)] > most) most = bytes[std::size_t(d)], out = d;
  return out;
}

VERBATIM_BODY std::uint64_t checkpoint::bytes() const noexcept {
  std::uint64_t sum = 0;
  for (auto const& s : files_) sum += s->map.bytes().size();
  return sum;
}

VERBATIM_BODY void checkpoint::advise(verbatim::weights::access a) const noexcept {
  for (auto const& s : files_) s->map.advise(a);
}

VERBATIM_BODY void checkpoint::release() const noexcept {
  for (auto const& s : files_) s->map.release();
}

VERBATIM_BODY void checkpoint::open_single(std::filesystem::path const& path) {
  auto& only = *files_.emplace_back(std::make_unique<part>(path));
  for (auto const& t : only.tensors.list()) places_.emplace(t.name, &only);
}

VERBATIM_BODY void checkpoint::open_shards(std::filesystem::path const& index_path) {
  mapped_file const index(index_path);
  if (index.bytes().size() > 100'000'000) throw error("checkpoint", 8, index_path.string() + ": larger than 100 MB");
  auto const map = parse_index(index.text(), index_path.string());
  std::map<std::string, part*, std::less<>> shards;
  for (auto const& [name, shard] : map) shards.emplace(shard, nullptr);
  for (auto& [name, opened] : shards) {
    std::error_code ignored;
    if (!std::filesystem::exists(directory_ / name, ignored))
      throw error("checkpoint", 9, index_path.string() + ": the shard " + detail::shown(name) + " is missing");
    opened = files_.emplace_back(std::make_unique<part>(directory_ / name)).get();
  }
  for (auto const& [name, shard] : map) {
    part* const in = shards.find(shard)->second;
    stored_tensor const* const t = in->tensors.find(name);
    if (!t)
      throw error("checkpoint", 9, index_path.string() + ": tensor \"" + detail::shown(name) + "\" is not in its shard " +
                                       detail::shown(shard));
    places_.emplace(t->name, in);
  }
}

}  // namespace verbatim::weights
