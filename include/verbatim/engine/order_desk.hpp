// Carries out orders between two steps: new weights, pauses, looks at the weights. One thread, the one that drives the
// engine; a step never sees half of an order.
#pragma once
#include <algorithm>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "verbatim/core/sha256.hpp"
#include "verbatim/engine/inbox.hpp"
#include "verbatim/engine/load.hpp"
#include "verbatim/engine/order.hpp"
#include "verbatim/engine/roster.hpp"
#include "verbatim/weights/staged.hpp"

namespace verbatim::detail {

template <class P> class order_desk {
 public:
  order_desk(loaded_parts<P>& parts, inbox& jobs, roster<P>& roster) : parts_(&parts), jobs_(&jobs), roster_(&roster) {}
  order_desk(order_desk const&) = delete;
  ~order_desk() {
    outcome const over{.error = "[verbatim.engine.2] the engine is shutting down", .version = jobs_->versions().label()};
    if (drained_) drained_(over);
    for (command c; jobs_->pop(c);)
      if (c.done) c.done(over);
  }

  /// No step runs.
  bool frozen() const noexcept { return state_ == state::frozen; }
  /// Only what has run before goes on.
  bool draining() const noexcept { return state_ == state::draining; }

  /// Calls `land` before each order: no step may be in flight then.
  template <class F> void carry_out_all(F&& land) {
    for (command c; jobs_->pop(c);) {
      land();
      outcome out;
      try {
        done_ = &c.done;
        std::visit([&](auto& o) { carry_out(o, out); }, c.what);
      } catch (error const& e) {
        out.error = e.what();
      } catch (std::exception const& e) {
        out.error = std::string("[verbatim.engine.6] the order could not be carried out: ") + e.what();
      }
      if (c.done) tell(c.done, out);
    }
    if (draining() && !busy()) {
      become(state::frozen);
      outcome out;
      tell(drained_, out);
    }
  }

 private:
  enum class state { running, draining, frozen };

  void tell(outcome_sink& to, outcome& out) {
    out.version = jobs_->versions().label();
    roster_->publish();   // who hears of the outcome finds it in the statistics
    if (auto const sink = std::exchange(to, nullptr)) sink(out);
  }
  /// Whether something that has run is not at its end.
  bool busy() const noexcept {
    auto const entered = [](auto const* c) { return c->entered; };
    return !roster_->running().empty() || std::any_of(roster_->waiting().begin(), roster_->waiting().end(), entered);
  }
  void become(state s) {
    state_ = s;
    roster_->stats().paused = s != state::running;
    jobs_->paused(s != state::running);
  }
  /// A pause that still waits has been overtaken.
  void overtake() {
    outcome out{.error = "[verbatim.engine.31] another pause, or the end of this one, came before every request had come to its own"};
    tell(drained_, out);
  }
  void new_version(std::string label) { roster_->weights(jobs_->versions().add(std::move(label))); }

  // ---- weights

  void carry_out(orders::refit& o, outcome& out) {
    if (!o.from) throw error("engine", 30, "a refit needs weights");
    auto& model = *parts_->model;
    // What can be refused is refused before anything changes.
    model.check_weights(o.from->tensors(), o.options.allow_rounding ? rounding::allowed : rounding::exact);
    out.affected = int(jobs_->unfinished());
    if (o.options.abort_running) roster_->abort_all();
    if (o.options.kv == kv_policy::recompute) roster_->retract_all();
    else roster_->retract_scoring();
    model.replace_weights(o.from->tensors());
    new_version(std::move(o.options.version));
    roster_->book().set_version(jobs_->versions().current());
    if (o.options.kv != kv_policy::keep) roster_->book().flush();
    ++roster_->stats().refits;
  }
  void carry_out(orders::relabel& o, outcome&) { new_version(std::move(o.version)); }

  void carry_out(orders::checksum const& o, outcome& out) {
    for (std::string const& name : parts_->model->weight_names()) {
      if (!o.name.empty() && name != o.name) continue;
      sha256_hash h;
      parts_->model->read_weight(name, [&](auto piece) {
        h.update(reinterpret_cast<std::uint8_t const*>(piece.data()), piece.size_bytes());
        return true;
      });
      out.checksums.emplace_back(name, to_hex(h.finish()));
    }
    if (out.checksums.empty()) throw unknown(o.name);
  }
  void carry_out(orders::values const& o, outcome& out) {
    bool const found = parts_->model->read_weight(o.name, [&](auto piece) {
      for (auto x : piece.first(std::min(piece.size(), o.count - out.values.size()))) out.values.push_back(to_float(x));
      return out.values.size() < o.count;
    });
    if (!found) throw unknown(o.name);
  }
  static error unknown(std::string const& name) { return error("engine", 32, "the model has no weight named '" + name.substr(0, 200) + "'"); }

  // ---- pauses

  void carry_out(orders::flush const& o, outcome& out) {
    out.affected = int(jobs_->unfinished());
    if (o.running) roster_->retract_all();
    roster_->book().flush();
  }
  void carry_out(orders::pause const& o, outcome& out) {
    out.affected = int(jobs_->unfinished());
    if (o.mode == pause_mode::abort) roster_->abort_all();
    if (o.mode == pause_mode::retract) roster_->retract_all();
    overtake();
    bool const wait = o.mode == pause_mode::wait && busy();
    become(wait ? state::draining : state::frozen);
    if (wait) drained_ = std::exchange(*done_, nullptr);
    if (o.flush) roster_->book().flush();
  }
  void carry_out(orders::resume const&, outcome&) {
    overtake();
    become(state::running);
  }
  void carry_out(orders::abort const&, outcome& out) {
    out.affected = int(jobs_->unfinished());
    roster_->abort_all();
  }

  loaded_parts<P>* parts_;
  inbox* jobs_;
  roster<P>* roster_;
  state state_ = state::running;
  outcome_sink drained_;            // of the pause that waits
  outcome_sink* done_ = nullptr;    // of the order that is being carried out
};

}  // namespace verbatim::detail
