// A model directory in Hugging Face layout: model.safetensors, else model.safetensors.index.json with its shards.
// A weight_source: each() goes through the files in the order of their names and through each file by ascending offset,
// so that a load reads the disk in sequence.
// Invariants: tensors are borrowed from the mapping and valid as long as the checkpoint, also after release(); they are
// aligned to their element size (see safetensors.hpp). Every tensor that an index names is there. Thread-safe to read.
// Cost: opening reads headers only.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/weights/concept.hpp"
#include "verbatim/weights/mapped_file.hpp"
#include "verbatim/weights/safetensors.hpp"

namespace verbatim::weights {

/// A shard of a sharded checkpoint: a plain file name ending in .safetensors, beside the index; never a path.
bool is_shard_name(std::string_view name) noexcept;

/// What model.safetensors.index.json says: tensor name -> shard. `file` is for messages.
/// Throws error("checkpoint", 8): not JSON, no weight_map, a shard name that is a path.
std::map<std::string, std::string, std::less<>> parse_index(std::string_view text, std::string const& file);

class checkpoint {
 public:
  /// Opens and checks every file. `version` tags what is sampled from these weights.
  /// Throws error("checkpoint", 1 | 2 | 4 | 5 | 8 | 9).
  explicit checkpoint(std::filesystem::path directory, std::uint64_t version = 0);

  std::filesystem::path const& directory() const noexcept { return directory_; }
  std::uint64_t version() const noexcept { return version_; }
  std::size_t size() const noexcept { return places_.size(); }
  bool contains(std::string_view name) const noexcept;

  /// The tensor's listing (dtype and shape as stored), or null.
  stored_tensor const* find(std::string_view name) const noexcept;
  /// Throws error("checkpoint", 7) where there is none, 6 where its dtype or rank is not read.
  tensor access(std::string_view name) const;
  /// The same, checked. Throws error("checkpoint", 3) when the shape differs, naming expected and found.
  tensor access(std::string_view name, extents const& expected) const;

  /// Visits every tensor, and gives its pages back then: they are not resident beside those of tensors to come. Throws
  /// error("checkpoint", 6) at one whose dtype or rank is not read.
  void each(void (*visit)(tensor const&, void*), void* self) const;
  /// Calls f(stored_tensor const&, safetensors const& in) for every tensor, readable or not, in the same order.
  template <class F> void list(F&& f) const {
    for (auto const& s : files_)
      for (stored_tensor const& t : s->tensors.list())
        if (auto const at = places_.find(t.name); at != places_.end() && at->second == s.get()) f(t, s->tensors);
  }
  /// The dtype that holds most bytes among those that are read: what config.json's "dtype" ought to say.
  std::optional<dtype> type() const;
  /// Bytes of all files.
  std::uint64_t bytes() const noexcept;

  /// Tells the kernel how the bytes will be read, of all files.
  void advise(verbatim::weights::access a) const noexcept;
  /// Gives the resident pages back after packing. Tensors stay valid; touching them reads the files again.
  void release() const noexcept;

 private:
  struct part {
    explicit part(std::filesystem::path const& path) : map(path), tensors(map.bytes(), path.string()) {}
    mapped_file map;
    safetensors tensors;
  };

  void open_single(std::filesystem::path const& path);
  void open_shards(std::filesystem::path const& index_path);

  std::filesystem::path directory_;
  std::uint64_t version_;
  std::vector<std::unique_ptr<part>> files_;
  std::unordered_map<std::string_view, part*> places_;   // views into the parts, which do not move
};
static_assert(weight_source<checkpoint>);

}  // namespace verbatim::weights

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/weights/checkpoint.ipp.hpp"
#endif
