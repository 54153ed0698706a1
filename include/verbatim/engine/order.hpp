// What may be asked of a running engine besides requests: new weights, pauses, and looks at the weights that it holds.
// Orders are plain values. They are carried out on the thread that drives the engine, between two steps, in the order in
// which they came; each has one outcome.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace verbatim {

namespace weights { class staged; }   // weights/staged.hpp

/// What happens to keys and values that older weights computed. None of them is ever matched as a prefix again.
/// recompute: running sequences are computed anew under the new weights, so that every later token is what the new weights
/// give for all that is before it. drop: cached prefixes are freed at once, running sequences go on with what they have.
/// keep: the same, but cached pages are freed only as their room is needed.
enum class kv_policy : std::uint8_t { recompute, drop, keep };

/// What a pause does with the sequences that run. keep: they stay as they are. wait: they run to their end first.
/// abort: every request ends now with what it has (finish_reason::cancelled). retract: they give their pages back and are
/// computed anew after the pause. Requests that come during a pause are taken and wait.
enum class pause_mode : std::uint8_t { keep, wait, abort, retract };

struct refit_options {
  std::string version{};                 ///< the label of the new weights; empty: their number
  kv_policy kv = kv_policy::recompute;
  bool abort_running = false;            ///< every request ends first, with what it has
  bool allow_rounding = false;           ///< take tensors that the activations' type cannot hold exactly
};

namespace orders {
struct refit { std::shared_ptr<weights::staged const> from{}; refit_options options{}; };
struct relabel { std::string version{}; };                         ///< the same weights under another label
struct flush { bool running = false; };                            ///< forget cached prefixes; `running`: recompute running sequences too
struct pause { pause_mode mode = pause_mode::keep; bool flush = false; };
struct resume {};
struct abort {};                                                   ///< every request ends now, with what it has
struct checksum { std::string name{}; };                           ///< SHA-256 of one weight as a checkpoint stores it, or (empty) of each
struct values { std::string name{}; std::size_t count = 0; };      ///< the first elements of one weight
}  // namespace orders

using order = std::variant<orders::refit, orders::relabel, orders::flush, orders::pause, orders::resume, orders::abort,
                           orders::checksum, orders::values>;

/// What became of an order.
struct outcome {
  std::string error{};                   ///< empty: done; else why nothing changed, `[verbatim.area.number] …`
  std::string version{};                 ///< the label of the weights now
  int affected = 0;                      ///< requests that were running or waiting and had to do with it
  std::vector<std::pair<std::string, std::string>> checksums{};   ///< name, 64 hexadecimal digits; by name
  std::vector<float> values{};
};

/// Called once, on the thread that drives the engine. It must not block; it may throw nothing.
using outcome_sink = std::function<void(outcome const&)>;

}  // namespace verbatim
