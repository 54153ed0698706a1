// From a weight source into a model's packed weights. Every tensor of the tables must come exactly once, with the expected
// shape; what a tensor must be converted to is exact unless the caller allows rounding. Loading again replaces the values in
// place (addresses stay). Cost: one read and one write of the weights, packed on the backend's threads.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>

#include "verbatim/core/bf16.hpp"
#include "verbatim/core/error.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/model/table.hpp"

namespace verbatim {

/// exact: refuse tensors that the activations' type cannot hold. allowed: round them to nearest even.
enum class rounding : std::uint8_t { exact, allowed };

template <class Model, class Ops> class loader {
  using matrix = typename Ops::matrix;
  using vector = typename Ops::vector;
  using weights = typename Model::template weights<Ops>;

 public:
  /// Shapes `w` by the tables and remembers where each tensor goes. `w` keeps its address.
  loader(model_config const& c, weights& w) : tied_(c.tied) {
    w.layers.resize(std::size_t(c.layers));
    Model::visit(c, w, [&](std::string const& prefix, auto const& entry, auto& member) {
      int sizes[4] = {}, parts = parts_of(entry.name);
      extents shape;
      for (int p = 0; p < parts; ++p) {
        shape = entry.shape(c, p);
        sizes[p] = int(shape.size[0]);
        remember(prefix + name_of_part(entry.name, p), shape, member, p);
      }
      if constexpr (std::is_same_v<std::remove_reference_t<decltype(member)>, matrix>) member = matrix(sizes, parts, int(shape.size[1]));
      else member = vector(sizes, parts);
      bytes_ += member.bytes();
    });
  }

  std::size_t bytes() const noexcept { return bytes_; }

  /// Takes every tensor of the source. Throws checkpoint.50 to .54 (docs/errors/checkpoint_load.md).
  template <class Source> void load(Ops& o, Source& source, rounding allow) {
    for (auto& [name, place] : places_) place.seen = false;
    struct visitor {
      loader& self;
      Ops& o;
      rounding allow;
    } v{*this, o, allow};
    source.each([](tensor const& t, void* p) { auto& v = *static_cast<visitor*>(p); v.self.take(v.o, t, v.allow); },
                static_cast<void*>(&v));
    // Name the missing tensor that comes first by name, so that the message is the same every time.
    std::string const* missing = nullptr;
    std::size_t count = 0;
    for (auto const& [name, place] : places_)
      if (!place.seen && ++count && (!missing || name < *missing)) missing = &name;
    if (missing)
      throw error("checkpoint", 51, *missing + ": expected " + to_string(places_.at(*missing).shape) + ", not found (" +
                                        std::to_string(count) + " of " + std::to_string(places_.size()) + " tensors are missing)");
  }

 private:
  struct place {
    extents shape;
    matrix* to_matrix = nullptr;
    vector* to_vector = nullptr;
    int part = 0;
    bool seen = false;
  };

  void remember(std::string name, extents shape, matrix& m, int part) { places_.emplace(std::move(name), place{shape, &m, nullptr, part}); }
  void remember(std::string name, extents shape, vector& v, int part) { places_.emplace(std::move(name), place{shape, nullptr, &v, part}); }

  /// Tensors that old or tied checkpoints carry and that no forward pass reads.
  bool ignored(std::string_view name) const noexcept {
    return name.ends_with("rotary_emb.inv_freq") || (tied_ && name == "lm_head.weight");
  }

  void take(Ops& o, tensor const& t, rounding allow) {
    auto const found = places_.find(std::string(t.name));
    std::string const name(t.name.substr(0, 200));
    if (found == places_.end()) {
      if (ignored(t.name)) return;
      throw error("checkpoint", 50, name + ": found, but the model has no such weight");
    }
    place& p = found->second;
    if (p.seen) throw error("checkpoint", 54, name + ": found twice");
    if (!(t.shape == p.shape))
      throw error("checkpoint", 52, name + ": shape " + to_string(p.shape) + " expected, " + to_string(t.shape) + " found");
    if (sizeof(typename Ops::value) == 2 && t.type != dtype::bf16 && allow == rounding::exact)
      throw error("checkpoint", 53, name + ": BF16 expected, " + std::string(name_of(t.type)) +
                                        " found, which bf16 cannot hold exactly (run the model in f32, or allow rounding)");
    if (p.to_matrix) o.load(*p.to_matrix, p.part, t);
    else o.load(*p.to_vector, p.part, t);
    p.seen = true;
  }

  bool tied_;
  std::size_t bytes_ = 0;
  std::unordered_map<std::string, place> places_;
};

}  // namespace verbatim
