// Weight tables: what a part of a model reads from a checkpoint. A part has `weights<Ops>` (its packed tensors, in the
// backend's types) and `table<Ops>`, a tuple of entries: name in the checkpoint -> member -> split over ranks -> shape.
// The loader, memory planning, floors and random weights all iterate the tables; nothing else knows a tensor's name.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "verbatim/core/model_config.hpp"
#include "verbatim/core/tensor.hpp"

namespace verbatim {

/// How a weight splits over tensor-parallel ranks: whole on each, by its outputs, by its inputs.
enum class shard : std::uint8_t { none, rows, cols };

constexpr bool always(model_config const&) { return true; }

/// One entry. `name` may hold one group, "self_attn.{q,k,v}_proj.weight": that many tensors, in that order, in one member.
/// Rank 2 goes into a matrix, rank 1 into a vector. `present` says whether a checkpoint with these numbers has it.
template <class Member> struct weight {
  std::string_view name;
  Member member;
  shard how;
  extents (*shape)(model_config const&, int part);
  bool (*present)(model_config const&) = always;
};
template <class Member>
weight(std::string_view, Member, shard, extents (*)(model_config const&, int)) -> weight<Member>;
template <class Member>
weight(std::string_view, Member, shard, extents (*)(model_config const&, int), bool (*)(model_config const&)) -> weight<Member>;

constexpr extents matrix_of(int rows, int columns) { return {{rows, columns}, 2}; }
constexpr extents vector_of_size(int n) { return {{n}, 1}; }

/// How many tensors an entry's name stands for: one, or the alternatives of its group.
constexpr int parts_of(std::string_view name) {
  auto const open = name.find('{'), close = name.find('}');
  if (open == name.npos) return 1;
  int n = 1;
  for (char c : name.substr(open, close - open)) n += c == ',';
  return n;
}

/// The name of one part, without its prefix.
inline std::string name_of_part(std::string_view name, int part) {
  auto const open = name.find('{'), close = name.find('}');
  if (open == name.npos) return std::string(name);
  std::string_view choices = name.substr(open + 1, close - open - 1);
  for (; part > 0; --part) choices.remove_prefix(choices.find(',') + 1);
  return std::string(name.substr(0, open)) + std::string(choices.substr(0, choices.find(','))) + std::string(name.substr(close + 1));
}

/// Calls f(prefix, entry, member) for each entry of Part that these numbers have.
template <class Part, class Ops, class Weights, class F>
void for_each_weight(model_config const& c, std::string const& prefix, Weights& w, F&& f) {
  std::apply([&](auto const&... entry) { ((entry.present(c) ? f(prefix, entry, w.*(entry.member)) : void()), ...); },
             Part::template table<Ops>);
}

/// A tensor that a checkpoint must have.
struct expected_weight {
  std::string name;
  extents shape;
  shard how;
};

/// A backend with nothing in it, for reading the tables alone.
struct no_backend {
  struct matrix {};
  struct vector {};
};

/// All tensors of Model for these numbers, in the order of its forward pass.
template <class Model> std::vector<expected_weight> expected_weights(model_config const& c) {
  std::vector<expected_weight> out;
  typename Model::template weights<no_backend> nothing;
  nothing.layers.resize(std::size_t(c.layers));
  Model::visit(c, nothing, [&](std::string const& prefix, auto const& entry, auto&) {
    for (int p = 0; p < parts_of(entry.name); ++p)
      out.push_back({prefix + name_of_part(entry.name, p), entry.shape(c, p), entry.how});
  });
  return out;
}

}  // namespace verbatim
