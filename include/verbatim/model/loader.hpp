// From a weight source into a model's packed weights. Every tensor of the tables must come exactly once, with the expected
// shape; what a tensor must be converted to is exact unless the caller allows rounding. Loading again replaces the values in
// place (addresses stay). Cost: one read and one write of the weights, packed on the backend's threads.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "verbatim/core/bf16.hpp"
#include "verbatim/core/error.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/core/weight_format.hpp"
#include "verbatim/model/table.hpp"

namespace verbatim {

/// exact: refuse tensors that the activations' type cannot hold. allowed: round them to nearest even.
enum class rounding : std::uint8_t { exact, allowed };

template <class Model, class Ops> class loader {
  using matrix = typename Ops::matrix;
  using vector = typename Ops::vector;
  using weights = typename Model::template weights<Ops>;

 public:
  /// Whether the backend keeps matrices in other formats than the checkpoint's.
  static constexpr bool takes_formats = std::is_constructible_v<matrix, int const*, int, int, weight_format>;

  /// Whether tensors may lie in a device's memory.
  static constexpr bool takes_device_memory = requires { requires Ops::reads_device_memory; };

  /// Shapes `w` by the tables and remembers where each tensor goes. `w` keeps its address.
  loader(model_config const& c, weights& w, weight_format format = weight_format::checkpoint) : tied_(c.tied) {
    w.layers.resize(std::size_t(c.layers));
    Model::visit(c, w, [&](std::string const& prefix, auto const& entry, auto& member) {
      int sizes[4] = {}, parts = parts_of(entry.name);
      extents shape;
      for (int p = 0; p < parts; ++p) {
        shape = entry.shape(c, p);
        sizes[p] = int(shape.size[0]);
        remember(prefix + name_of_part(entry.name, p), shape, member, p);
      }
      if constexpr (std::is_same_v<std::remove_reference_t<decltype(member)>, matrix>) {
        if constexpr (takes_formats) member = matrix(sizes, parts, int(shape.size[1]), format);
        else member = matrix(sizes, parts, int(shape.size[1]));
      }
      else member = vector(sizes, parts);
      bytes_ += member.bytes();
    });
  }

  std::size_t bytes() const noexcept { return bytes_; }

  /// Takes every tensor of the source. Throws checkpoint.50 to .54 (docs/errors/checkpoint_load.md).
  template <class Source> void load(Ops& o, Source& source, rounding allow) {
    forget();
    struct visitor {
      loader& self;
      Ops& o;
      rounding allow;
    } v{*this, o, allow};
    source.each([](tensor const& t, void* p) {
      auto& v = *static_cast<visitor*>(p);
      if (place* const to = v.self.expect(t, v.allow)) v.self.put(v.o, *to, t);
    }, static_cast<void*>(&v));
    require_all();
  }

  /// Whether these tensors can replace all weights: throws as load() does, and changes nothing.
  void check(Ops const& o, std::span<tensor const> tensors, rounding allow) {
    forget();
    for (tensor const& t : tensors) expect(t, allow);
    require_all();
    if (tied_) check_tied(o, tensors);
  }
  /// Replaces the values by tensors that check() has passed.
  void replace(Ops& o, std::span<tensor const> tensors) {
    for (tensor const& t : tensors)
      if (auto const at = places_.find(t.name); at != places_.end()) put(o, at->second, t);
  }

  /// The names of all tensors, in order.
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (auto const& [name, place] : places_) out.push_back(name);
    return out;
  }
  /// Calls f(row-major elements, in the type of the activations) for consecutive pieces of one tensor as a checkpoint stores
  /// it, until f gives false. False: there is no tensor of that name.
  template <class F> bool read(Ops const& o, std::string_view name, F&& f) const {
    auto const at = places_.find(name);
    if (at == places_.end()) return false;
    place const& p = at->second;
    std::vector<typename Ops::value> piece(std::size_t(p.to_matrix ? p.shape.size[1] : p.shape.size[0]));
    for (int row = 0; row < (p.to_matrix ? int(p.shape.size[0]) : 1); ++row) {
      if (p.to_matrix) o.unload(*p.to_matrix, p.part, row, piece.data());
      else o.unload(*p.to_vector, p.part, piece.data());
      if (!f(std::span<typename Ops::value const>(piece))) break;
    }
    return true;
  }

 private:
  struct place {
    extents shape;
    matrix* to_matrix = nullptr;
    vector* to_vector = nullptr;
    int part = 0;
    bool seen = false;
  };

  /// A tied model may be given its head too, as state dictionaries have it: the same values, in whatever type.
  static void check_tied(Ops const& o, std::span<tensor const> tensors) {
    auto const table = std::find_if(tensors.begin(), tensors.end(), [](tensor const& t) { return t.name == "model.embed_tokens.weight"; });
    for (tensor const& head : tensors)
      if (head.name == "lm_head.weight" && head.data != table->data && !same_values(o, head, *table))
        throw error("checkpoint", 58, "lm_head.weight: other values than model.embed_tokens.weight, which is this model's head too (tie_word_embeddings)");
  }
  static bool same_values(Ops const& o, tensor const& a, tensor const& b) {
    if constexpr (requires { o.values_of(a); })
      if (a.where != memory_space::host || b.where != memory_space::host) {
        auto const x = o.values_of(a), y = o.values_of(b);
        return std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
      }
    if (a.type == b.type) return std::memcmp(a.data, b.data, a.bytes()) == 0;
    auto const at = [](tensor const& t, std::int64_t i) {
      if (t.type == dtype::f32) return static_cast<float const*>(t.data)[i];
      return t.type == dtype::bf16 ? to_float(static_cast<bf16 const*>(t.data)[i]) : to_float(static_cast<f16 const*>(t.data)[i]);
    };
    for (std::int64_t i = 0; i < a.shape.elements(); ++i)
      if (std::bit_cast<std::uint32_t>(at(a, i)) != std::bit_cast<std::uint32_t>(at(b, i))) return false;
    return true;
  }

  void forget() noexcept {
    for (auto& [name, place] : places_) place.seen = false;
  }
  void require_all() const {
    std::string const* missing = nullptr;   // the first by name
    std::size_t count = 0;
    for (auto const& [name, place] : places_)
      if (!place.seen && count++ == 0) missing = &name;
    if (missing)
      throw error("checkpoint", 51, *missing + ": expected " + to_string(places_.find(*missing)->second.shape) + ", not found (" +
                                        std::to_string(count) + " of " + std::to_string(places_.size()) + " tensors are missing)");
  }

  void remember(std::string name, extents shape, matrix& m, int part) { places_.emplace(std::move(name), place{shape, &m, nullptr, part}); }
  void remember(std::string name, extents shape, vector& v, int part) { places_.emplace(std::move(name), place{shape, nullptr, &v, part}); }

  /// Tensors that old or tied checkpoints carry and that no forward pass reads.
  bool ignored(std::string_view name) const noexcept {
    return name.ends_with("rotary_emb.inv_freq") || (tied_ && name == "lm_head.weight");
  }

  /// Where a tensor goes, or null for one that is passed over.
  place* expect(tensor const& t, rounding allow) {
    auto const found = places_.find(t.name);
    std::string const name(t.name.substr(0, 200));
    if (found == places_.end()) {
      if (ignored(t.name)) {
        auto const table = places_.find("model.embed_tokens.weight");
        if (t.name == "lm_head.weight" && table != places_.end() && !(t.shape == table->second.shape))
          throw error("checkpoint", 52, name + ": shape " + to_string(table->second.shape) + " expected, " + to_string(t.shape) + " found");
        return nullptr;
      }
      throw error("checkpoint", 50, name + ": found, but the model has no such weight");
    }
    place& p = found->second;
    if (p.seen) throw error("checkpoint", 54, name + ": found twice");
    if (!(t.shape == p.shape))
      throw error("checkpoint", 52, name + ": shape " + to_string(p.shape) + " expected, " + to_string(t.shape) + " found");
    if (sizeof(typename Ops::value) == 2 && t.type != dtype::bf16 && allow == rounding::exact)
      throw error("checkpoint", 53, name + ": BF16 expected, " + std::string(name_of(t.type)) +
                                        " found, which bf16 cannot hold exactly in general (run the model in f32, or allow rounding)");
    if (t.where == memory_space::device && !takes_device_memory)
      throw error("checkpoint", 59, name + ": lies in the memory of a device, and this model runs on the CPU");
    p.seen = true;
    return &p;
  }
  static void put(Ops& o, place const& p, tensor const& t) {
    if (p.to_matrix) o.load(*p.to_matrix, p.part, t);
    else o.load(*p.to_vector, p.part, t);
  }

  bool tied_;
  std::size_t bytes_ = 0;
  std::map<std::string, place, std::less<>> places_;
};

}  // namespace verbatim
