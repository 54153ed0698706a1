// The control plane: new weights, pauses, aborts and looks at the weights, over the wire. A request becomes an order to the
// engine, and its answer comes when the order has been carried out. Weights are brought into memory on the worker's thread,
// while the engine goes on.
// Who may: with admin keys, who has one. Without, everybody where the server is for this machine only, else nobody; requests
// that a web page makes a browser send (they carry Origin, Referer or Sec-Fetch-Site) never.
// Threads: admit from any thread; work from any worker, once per request; `respond` is called once, perhaps on the engine's.
#pragma once
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/core/sha256.hpp"
#include "verbatim/engine/inbox.hpp"
#include "verbatim/protocol/control_routes.hpp"
#include "verbatim/protocol/error_body.hpp"
#include "verbatim/protocol/fields.hpp"
#include "verbatim/protocol/health_probe.hpp"
#include "verbatim/protocol/key_ring.hpp"
#include "verbatim/protocol/live_requests.hpp"
#include "verbatim/weights/staged.hpp"

namespace verbatim::control {

struct options {
  std::vector<std::string> admin_keys{};
  bool open = false;                   ///< without admin keys, who reaches the server may steer it
  std::size_t refit_bytes = 0;         ///< of a body with weights
  std::string model{};                 ///< its name
  bool strict = false;                 ///< unknown parameters are errors instead of a Warning header
  std::chrono::milliseconds patience{20'000};   ///< how long /health_generate waits for a token
};

using respond = std::function<void(http_response)>;

class plane {
 public:
  plane(inbox& jobs, options o)
      : jobs_(&jobs), options_(std::move(o)), keys_(options_.admin_keys), probe_(std::make_shared<health_probe>(options_.patience)) {}

  live_requests& live() const noexcept { return live_; }
  /// Whether this is an administrator's key.
  bool is_admin(http_request const& r) const noexcept { return !keys_.open() && keys_.admits(r.header("Authorization")); }
  /// What keeps a request out of a route that changes something, if anything does.
  std::optional<http_response> refuse(http_request const& r) const {
    if (is_admin(r)) return std::nullopt;
    if (!keys_.open()) return error_response({401, "this path needs an admin key: Authorization: Bearer KEY", "", "invalid_api_key"});
    if (!options_.open)
      return error_response({403, "this path is for administrators, and the server has no admin key", "", "control_disabled"});
    std::string_view const site = r.header("Sec-Fetch-Site");
    bool const page = !r.header("Origin").empty() || !r.header("Referer").empty() || !(site.empty() || site == "none");
    if (page) return error_response({403, "this path is not for web pages", "", "forbidden_origin"});
    return std::nullopt;
  }
  static bool is_weights(http_request const& r) noexcept {
    std::string_view kind = r.header("Content-Type");
    kind = kind.substr(0, kind.find(';'));
    return same_name(kind, "application/octet-stream") || same_name(kind, "application/x-safetensors");
  }
  void tick() const { probe_->tick(); }
  std::size_t refit_bytes() const noexcept { return options_.refit_bytes; }

  /// Throws error("json", 1) for a body that is no JSON object, error("engine", 2) when the engine shuts down; otherwise calls
  /// `to` once. Until then `tick` is to be called now and then.
  void work(http_request& r, respond to) const {
    route const at = *find_route(r.path());
    if (r.room) {   // given back before the client knows, who may send the next body at once
      auto const room = std::make_shared<std::shared_ptr<void>>(std::exchange(r.room, nullptr));
      to = [to = std::move(to), room](http_response answer) {
        room->reset();
        to(std::move(answer));
      };
    }
    bool const raw = at.what == verb::refit && is_weights(r);
    json const said = read_parameters(r, !raw);
    problems p;
    fields f(said, "", p);
    auto const unknown = unknown_parameters(said);
    if (!unknown.empty() && options_.strict) {
      for (auto const& name : unknown) f.add(name, "unknown parameter", "unknown_parameter");
      return fail(f, to);
    }
    if (!unknown.empty())
      to = [to, warning = warning_of(unknown)](http_response answer) {
        answer.head.headers.emplace_back("Warning", warning);
        to(std::move(answer));
      };
    switch (at.what) {
      case verb::refit_from_disk: return refit(f, text(f, "model_path"), to);
      case verb::refit:
        if (raw) return refit_from_bytes(f, std::move(r.body), to);
        return refit(f, text(f, "weight_dir"), to);
      case verb::version: return to({{}, dump_json(json{{"weight_version", jobs_->versions().label()}})});
      case verb::relabel: return relabel(f, to);
      case verb::flush: return send(orders::flush{}, to, [](outcome const&) { return http_response{{.content_type = "text/plain"}, "Cache flushed.\n"}; });
      case verb::reset: return send_checked(f, orders::flush{.running = flag(f, "reset_running_requests")}, to, [](outcome const&) { return json::object(); });
      case verb::pause: return pause(f, to, true);
      case verb::pause_generation: return pause(f, to, false);
      case verb::resume: return send_json(orders::resume{}, to, [](outcome const&) { return json{{"status", "resumed"}}; });
      case verb::continue_generation: return send_json(orders::resume{}, to, [](outcome const&) { return json{{"message", "generation continues"}, {"status", "ok"}}; });
      case verb::is_paused: return to({{}, dump_json(json{{"is_paused", jobs_->paused()}})});
      case verb::abort_one: return abort_one(f, to);
      case verb::abort_many: return abort_many(f, to);
      case verb::checksum: return checksum(f, to);
      case verb::values: return values(f, to);
      case verb::world_size: return to({{}, "{\"world_size\":1}"});
      case verb::generate_health: return generate_health(to);
      case verb::loads: return loads(to, r.path() == "/get_load");
      case verb::model_info:
        return to({{}, dump_json(json{{"model_path", options_.model}, {"tokenizer_path", options_.model}, {"is_generation", true},
                                      {"preferred_sampling_params", nullptr}, {"weight_version", jobs_->versions().label()}})});
    }
  }

 private:
  static constexpr std::size_t label_bytes = 128;

  static std::string text(fields& f, std::string_view name) { return f.text(name, 4096).value_or(""); }
  /// A boolean, which queries also write as 0 and 1.
  static bool flag(fields& f, std::string_view name, bool otherwise = false) {
    json const* v = f.find(name);
    if (v && v->is_string() && (*v == "0" || *v == "1")) return *v == "1";
    return f.boolean(name).value_or(otherwise);
  }
  static void fail(fields& f, respond const& to) {
    api_error e = f.report().error();
    e.status = 422;
    to(error_response(e));
  }
  /// A label of weights: short, and fit for a header. A trainer may count its steps: an integer is its digits.
  static std::string label(fields& f, std::string_view name) {
    json const* v = f.find(name);
    if (v && v->is_number_integer()) return v->dump();
    std::string out = text(f, name);
    bool bad = out.size() > label_bytes;
    for (char c : out) bad = bad || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (bad) f.add(name, "expected at most " + std::to_string(label_bytes) + " bytes without control characters");
    return out;
  }

  // ---- orders

  template <class Answer> void send(order o, respond const& to, Answer answer) const {
    jobs_->command_engine(std::move(o), [to, answer](outcome const& out) {
      if (!out.error.empty()) return to(error_response({400, out.error, "", "refused"}));
      to(answer(out));
    });
  }
  template <class Answer> void send_json(order o, respond const& to, Answer answer) const {
    send(std::move(o), to, [answer](outcome const& out) { return http_response{{}, dump_json(answer(out))}; });
  }
  template <class Answer> void send_checked(fields& f, order o, respond const& to, Answer answer) const {
    if (!f.report().empty()) return fail(f, to);
    send_json(std::move(o), to, answer);
  }

  // ---- weights

  static http_response weights_answer(int status, bool success, std::string_view message, int paused) {
    return {{.status = status}, dump_json(json{{"success", success}, {"message", message}, {"num_paused_requests", paused}})};
  }
  static refit_options read_options(fields& f) {
    refit_options o;
    o.version = label(f, "weight_version");
    o.abort_running = flag(f, "abort_all_requests");
    o.allow_rounding = flag(f, "allow_rounding");
    bool const flush = flag(f, "flush_cache", true);
    std::string const kv = text(f, "kv_policy");
    if (kv.empty()) o.kv = flush ? kv_policy::recompute : kv_policy::keep;
    else if (kv == "keep") o.kv = kv_policy::keep;
    else if (kv == "drop") o.kv = kv_policy::drop;
    else if (kv != "recompute") f.add("kv_policy", "expected recompute, drop or keep");
    return o;
  }
  void refit(fields& f, std::string const& directory, respond const& to) const {
    refit_options o = read_options(f);
    if (directory.empty()) f.add("model_path", "a folder on the server's machine is needed (model_path, or weight_dir)");
    if (!f.report().empty()) return fail(f, to);
    stage_and_refit(std::move(o), to, [&] { return std::make_shared<weights::staged const>(std::filesystem::path(directory)); });
  }
  void refit_from_bytes(fields& f, std::string body, respond const& to) const {
    refit_options o = read_options(f);
    if (!f.report().empty()) return fail(f, to);
    stage_and_refit(std::move(o), to, [&] { return std::make_shared<weights::staged const>(std::move(body), "body"); });
  }
  /// One at a time: the second is told so, rather than to wait without an end in sight.
  template <class Stage> void stage_and_refit(refit_options o, respond const& to, Stage stage) const {
    if (busy_->exchange(true)) return to(weights_answer(409, false, "other weights are on their way into the engine", 0));
    try {
      jobs_->command_engine(orders::refit{stage(), std::move(o)}, [busy = busy_, to](outcome const& out) {
        busy->store(false);
        bool const done = out.error.empty();
        to(weights_answer(done ? 200 : 400, done, done ? "weights " + out.version + " are in place" : out.error, out.affected));
      });
    } catch (error const& e) {
      busy_->store(false);
      if (e.area() != "checkpoint") throw;
      to(weights_answer(400, false, e.what(), 0));
    } catch (...) {
      busy_->store(false);
      throw;
    }
  }
  void relabel(fields& f, respond const& to) const {
    std::string name = label(f, "new_version");
    if (name.empty()) f.add("new_version", "missing");
    bool const abort = flag(f, "abort_all_requests");
    if (!f.report().empty()) return fail(f, to);
    if (abort) jobs_->command_engine(orders::abort{}, nullptr);
    send_json(orders::relabel{std::move(name)}, to, [](outcome const& out) {
      return json{{"success", true}, {"message", "the weights are called " + out.version}, {"new_version", out.version}};
    });
  }
  void checksum(fields& f, respond const& to) const {
    std::string const action = text(f, "action");
    if (action != "checksum") f.add("action", "only 'checksum' is offered");
    std::vector<std::string> names;
    if (json const* list = f.array("names", 65536))
      for (json const& n : *list) n.is_string() ? names.push_back(n.get<std::string>()) : f.add("names", "expected an array of names");
    if (!f.report().empty()) return fail(f, to);
    std::string const only = names.size() == 1 ? names[0] : "";
    send(orders::checksum{only}, to, [names](outcome const& out) {
      json sums = json::object();
      sha256_hash all;
      for (auto const& [name, hex] : out.checksums) {
        if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end()) continue;
        sums[name] = hex;
        all.update(name + " " + hex + "\n");
      }
      for (std::string const& name : names)   // a digest over less than was asked for would pass for one over all of it
        if (!sums.contains(name))
          return error_response({400, "the model has no weight named '" + std::string(wire::utf8_prefix(name, problems::value_bytes)) + "'", "names", "refused"});
      return http_response{{}, dump_json(json{{"checksums", sums}, {"checksum", to_hex(all.finish())}, {"weight_version", out.version}})};
    });
  }
  void values(fields& f, respond const& to) const {
    std::string name = text(f, "name");
    if (name.empty()) f.add("name", "missing");
    auto const count = number(f, "truncate_size", 100);
    if (!f.report().empty()) return fail(f, to);
    send_json(orders::values{std::move(name), std::size_t(count)}, to, [](outcome const& out) { return json(out.values); });
  }
  /// An integer that a query gives as text.
  static std::int64_t number(fields& f, std::string_view name, std::int64_t otherwise) {
    json const* v = f.find(name);
    if (v && v->is_string()) {
      auto const& s = v->get_ref<std::string const&>();
      std::int64_t n = 0;
      auto const [end, failed] = std::from_chars(s.data(), s.data() + s.size(), n);
      if (failed == std::errc{} && end == s.data() + s.size() && n >= 1 && n <= 100'000) return n;
      return f.add(name, "expected an integer from 1 to 100000"), otherwise;
    }
    return f.integer(name, 1, 100'000).value_or(otherwise);
  }

  // ---- pauses and aborts

  void pause(fields& f, respond const& to, bool vllm) const {
    orders::pause o{.mode = pause_mode::abort, .flush = flag(f, "clear_cache", vllm)};
    std::string const mode = text(f, "mode");
    if (mode == "wait") o.mode = pause_mode::wait;
    else if (mode == "keep" || mode == "in_place") o.mode = pause_mode::keep;
    else if (mode == "retract") o.mode = pause_mode::retract;
    else if (mode.empty() && flag(f, "wait_for_inflight_requests")) o.mode = pause_mode::wait;
    else if (!mode.empty() && mode != "abort") f.add("mode", "expected abort, wait, keep, in_place or retract");
    send_checked(f, o, to, [vllm](outcome const& out) {
      return vllm ? json{{"status", "paused"}} : json{{"message", std::to_string(out.affected) + " requests are paused or ended"}, {"status", "ok"}};
    });
  }
  void abort_one(fields& f, respond const& to) const {
    bool const all = flag(f, "abort_all");
    std::string const id = text(f, "rid");
    if (!all && id.empty()) f.add("rid", "rid, or abort_all: true, is needed");
    if (!f.report().empty()) return fail(f, to);
    if (all) return send(orders::abort{}, to, [](outcome const&) { return http_response{{.content_type = "text/plain"}, ""}; });
    live_.abort_beginning(id);   // SGLang's meaning: a rollout names its requests with one beginning
    to({{.content_type = "text/plain"}, ""});
  }
  void abort_many(fields& f, respond const& to) const {
    std::vector<std::string> ids;
    if (json const* list = f.array("request_ids", 65536))
      for (json const& n : *list) n.is_string() ? ids.push_back(n.get<std::string>()) : f.add("request_ids", "expected an array of ids");
    if (!f.report().empty()) return fail(f, to);
    auto const answer = [](int n) { return json{{"status", "aborted"}, {"aborted", n}}; };
    if (ids.empty()) return send_json(orders::abort{}, to, [answer](outcome const& out) { return answer(out.affected); });
    int n = 0;
    for (auto const& id : ids) n += live_.abort(id);
    to({{}, dump_json(answer(n))});
  }
  /// Whether tokens can come out.
  void generate_health(respond const& to) const {
    if (jobs_->paused()) return to(error_response({503, "the engine is paused", "", "paused", 1}));
    probe_->ask(*jobs_, to);
  }
  /// How much there is to do, for one engine of one rank.
  void loads(respond const& to, bool list) const {
    engine_stats const s = jobs_->stats();
    int const unfinished = int(jobs_->unfinished()), waiting = std::max(0, unfinished - int(s.running));
    json one{{"dp_rank", 0}, {"num_reqs", unfinished}, {"num_running_reqs", unfinished - waiting}, {"num_waiting_reqs", waiting}, {"num_total_reqs", unfinished}};
    to({{}, dump_json(list ? json::array({std::move(one)}) : json{{"loads", json::array({std::move(one)})}})});
  }

  inbox* jobs_;
  options options_;
  key_ring keys_;
  mutable live_requests live_;
  std::shared_ptr<health_probe> probe_;
  /// Shared with orders, which may be told of after this is gone.
  std::shared_ptr<std::atomic<bool>> busy_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace verbatim::control
