// A model on a device: the backend's operations, the packed weights, and forward(). Sized at construction; load() fills it.
// Guarantee: that of the backend. Cost: packed weights (padded to 64 outputs a tensor) + KV pages + workspace.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/backend/ops.hpp"
#include "verbatim/backend/step.hpp"
#include "verbatim/core/error.hpp"
#include "verbatim/core/model_config.hpp"
#include "verbatim/model/loader.hpp"
#include "verbatim/numerics/contract.hpp"

namespace verbatim {

/// Include the backend (backend/cpu/ops.hpp) before instantiating this. Move-only by address: not movable, so that the
/// places where tensors go stay valid.
template <class Model, class Device, class T, class Attention = typename Device::attention, class Linear = typename Device::linear> class loaded_model {
 public:
  using backend_type = ops<Device, T, Attention, Linear>;
  using logits_view = verbatim::logits_view;
  static constexpr bool takes_formats = loader<Model, backend_type>::takes_formats;   ///< of weights
  static constexpr guarantee offers = backend_type::offers;
  static constexpr int revision = backend_type::revision;

  /// Throws checkpoint.55 (another architecture), .56 and .57 (numbers that cannot be).
  loaded_model(model_config const& c, ops_limits limits, numerics contract)
      : ops_(checked(c), limits, contract), loader_(c, weights_, limits.weights) {}
  loaded_model(loaded_model const&) = delete;

  /// Reads every tensor of the tables from a weight_source. May be called again: the weights are replaced in place.
  /// After an error the weights are unusable until a load succeeds. Throws checkpoint.50 to .54.
  template <class Source> void load(Source& source, rounding allow = rounding::exact) {
    loader_.load(ops_, source, allow);
    version_ = source.version();
  }

  /// Whether tensors in memory can replace all weights. Throws checkpoint.50 to .54; changes nothing.
  void check_weights(std::span<tensor const> tensors, rounding allow = rounding::exact) {
    settle(tensors);
    loader_.check(ops_, tensors, allow);
  }
  /// Replaces all weights in place by tensors that were checked. When it returns they are no longer read. Throws device.4 alone.
  void replace_weights(std::span<tensor const> tensors) {
    settle(tensors);
    loader_.replace(ops_, tensors);
    if constexpr (requires { ops_.wait(); }) ops_.wait();
  }
  /// See loader: what the weights are now, as a checkpoint would store them.
  std::vector<std::string> weight_names() const { return loader_.names(); }
  template <class F> bool read_weight(std::string_view name, F&& f) const { return loader_.read(ops_, name, std::forward<F>(f)); }

  /// Runs the step's tokens; logits [step.outputs, vocabulary] are valid and writable until the next call.
  /// Throws device.4 where a device has failed; the CPU does not.
  logits_view forward(step const& s) {
    if constexpr (requires { ops_.run(s, [] {}); }) return ops_.run(s, [&] { Model::forward(ops_, weights_, s); });
    else return Model::forward(ops_, weights_, s);
  }

  /// The same in two halves, on a backend that samples: see ops<cuda::…>.
  template <class Wanted> void start(step const& s, Wanted const& wanted) requires requires(backend_type& o) { o.start(s, [] {}, wanted); } {
    ops_.start(s, [&] { Model::forward(ops_, weights_, s); }, wanted);
  }
  template <class Results> logits_view finish(Results const& results) requires requires(backend_type& o) { o.finish(results); } { return ops_.finish(results); }

  std::uint64_t version() const noexcept { return version_; }
  std::size_t weight_bytes() const noexcept { return loader_.bytes(); }
  std::size_t kv_bytes() const noexcept { return ops_.kv_bytes(); }
  backend_type& backend() noexcept { return ops_; }

 private:
  /// What lies in device memory may still be in the making, on another stream.
  void settle(std::span<tensor const> tensors) {
    if constexpr (requires { ops_.settle(); })
      for (tensor const& t : tensors)
        if (t.where == memory_space::device) return ops_.settle();
  }
  static model_config const& checked(model_config const& c) {
    auto const of = name_of(c.arch == architecture::mistral ? architecture::llama : c.arch);
    if (!Model::fits(c)) throw error("checkpoint", 55, "the checkpoint's architecture needs the model verbatim::" + std::string(of) + ", and the pipeline's is another");
    return c;
  }

  backend_type ops_;
  typename Model::template weights<backend_type> weights_;
  loader<Model, backend_type> loader_;
  std::uint64_t version_ = 0;
};

}  // namespace verbatim
