// The concept weight_source: where tensors come from – a checkpoint, a trainer's memory, random numbers.
// Laws: version() names the weights and changes when they change. each() visits every tensor once, in an order of its own
// choice, and returns when all are visited; what the visitor throws passes through. A visited tensor is dense, row-major,
// aligned to its element size, and its name and data are valid until the visitor returns: copy or pack what is to stay.
// Cost: that of the source; each() is called once per load or refit, by one thread.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "verbatim/core/tensor.hpp"

namespace verbatim {

template <class T>
concept weight_source = requires(T& s, void (*visit)(tensor const&, void*), void* self) {
  { s.version() } -> std::convertible_to<std::uint64_t>;
  { s.each(visit, self) } -> std::same_as<void>;
};

namespace weights {

/// Calls f(tensor const&) for every tensor of the source.
template <weight_source Source, class F> void for_each(Source& source, F&& f) {
  using function = std::remove_reference_t<F>;
  source.each([](tensor const& t, void* self) { (*static_cast<function*>(self))(t); },
              const_cast<void*>(static_cast<void const*>(std::addressof(f))));
}

}  // namespace weights
}  // namespace verbatim
