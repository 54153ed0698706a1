// The OpenAI-compatible service: routes, admission, and the way from a body to submitted requests. No socket here: an
// HTTP server, an in-process call and a test drive it alike (protocol/exchange.hpp says how).
// Threads: admit and open from any thread; work from any worker, once per reply. Text and Chat are used concurrently and
// const. What the service refers to must outlive it and its replies.
#pragma once
#include <atomic>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/engine/inbox.hpp"
#include "verbatim/protocol/control.hpp"
#include "verbatim/protocol/key_ring.hpp"
#include "verbatim/protocol/openai/chat.hpp"
#include "verbatim/protocol/openai/completions.hpp"
#include "verbatim/protocol/openai/models.hpp"
#include "verbatim/protocol/openai/output_filter.hpp"
#include "verbatim/protocol/openai/parsers.hpp"
#include "verbatim/protocol/openai/pinned_sampling.hpp"
#include "verbatim/protocol/openai/reply.hpp"
#include "verbatim/protocol/openai/routes.hpp"
#include "verbatim/protocol/openai/tokenize.hpp"

namespace verbatim::openai_v1 {

struct service_options {
  std::vector<std::string> api_keys{};      ///< none: everyone may enter
  bool strict = false;                      ///< unknown fields are errors instead of a Warning header
  bool local_hosts_only = false;            ///< refuse Host names other than localhost or an address (DNS rebinding)
  std::vector<std::string> admin_keys{};    ///< for the control routes, and good for the others
  std::size_t refit_bytes = 0;              ///< of a body with weights
  std::chrono::milliseconds health_patience{20'000};   ///< how long /health_generate waits for a token
  answer_defaults answers{};
  json template_kwargs = json::object();    ///< for the chat template; a request's own win
  pinned_sampling pinned{};
  std::size_t pending_bytes = 4 << 20;      ///< of events that wait for a slow reader; beyond it its request is cancelled
  request_bounds bounds{};
  reasoning_format reasoning_parser = reasoning_format::automatic;
  tool_format tool_parser = tool_format::automatic;
};

/// `Filter` takes the answers of chat apart; /v1/completions gives it rules that leave all text as it is.
template <class Text, class Chat, class Filter = output_filter> class service {
 public:
  using reply = openai_v1::reply<Text, Filter>;
  using reply_ptr = std::shared_ptr<reply>;

  /// `chat` may be null: the model brings no template.
  service(Text const& text, Chat const* chat, inbox& jobs, model_card card, service_options options)
      : text_(&text), chat_(chat), jobs_(&jobs), card_(std::move(card)), options_(std::move(options)), keys_(options_.api_keys),
        control_(jobs, {options_.admin_keys, options_.local_hosts_only, options_.refit_bytes, card_.name, options_.strict, options_.health_patience}),
        parsers_(text, chat, options_.reasoning_parser, options_.tool_parser),
        rules_{options_.template_kwargs, named_ends(text, card_.turn_ends), card_.vocabulary} {}

  /// No new generations; what runs goes on.
  void drain() noexcept { draining_.store(true); }
  model_card const& card() const noexcept { return card_; }
  http_response failure(int status, std::string_view message) const { return refusal({status, std::string(message)}); }

  std::optional<http_response> admit(http_request const& r) const {
    if (options_.local_hosts_only && !is_local_host(r.header("Host")))
      return refusal({403, "this server answers only to localhost and to addresses", "", "forbidden_host"});
    if (auto const steering = control::find_route(r.path())) return admit_control(r, *steering);
    auto const route = find_route(r.path());
    bool const open_route = route && route->what == endpoint::health;
    if (!open_route && !may_ask(r))
      return refusal({401, "a valid API key is needed: Authorization: Bearer KEY", "", "invalid_api_key"});
    if (!route) return refusal({404, "no such path: " + std::string(wire::utf8_prefix(r.path(), problems::value_bytes)), "", "not_found"});
    bool const fits = route->post ? r.method == "POST" : r.method == "GET" || r.method == "HEAD";
    if (r.method == "OPTIONS" || !fits) {
      http_response answer = r.method == "OPTIONS" ? http_response{{.status = 204, .content_type = ""}, ""}
                                                   : refusal({405, "this path takes " + std::string(route->post ? "POST" : "GET"), "", "method_not_allowed"});
      answer.head.headers.emplace_back("Allow", route->post ? "POST, OPTIONS" : "GET, HEAD, OPTIONS");
      return answer;
    }
    if (route->post && !is_json(r.header("Content-Type")))
      return refusal({415, "Content-Type: application/json is needed", "", "unsupported_media_type"});
    if (route->post && draining_.load())
      return refusal({503, "the server is shutting down", "", "unavailable", 5});
    return std::nullopt;
  }

  reply_ptr open(http_request r, waker wake) const {
    auto out = std::make_shared<reply>(std::move(r), std::move(wake), options_.pending_bytes);
    if (control::find_route(out->asked().path())) return out;
    auto const route = find_route(out->asked().path());
    if (!route) out->respond(failure(404, "no such path"));
    else if (!route->post) out->respond(get(*route, out->asked()));
    return out;
  }

  void work(reply_ptr const& to) const {
    try {
      if (to->abandoned()) return to->respond(failure(503, "abandoned"));
      if (control::find_route(to->asked().path())) {
        to->on_beat([this] { control_.tick(); });
        return control_.work(to->asked(), [to](http_response r) { to->respond(std::move(r)); });
      }
      if (to->asked().body.empty()) return refuse(*to, {400, "the body is empty: a JSON object is expected", "", "invalid_json"});
      json const body = parse_json(to->asked().body, {.depth = 64, .values = options_.bounds.max_values, .drop = unread});
      to->asked().body = std::string();
      if (!body.is_object()) return refuse(*to, {400, "the body must be a JSON object", "", "invalid_json"});
      switch (find_route(to->asked().path())->what) {
        case endpoint::chat: return chat(to, body);
        case endpoint::completions: return complete(to, body);
        case endpoint::tokenize: return answer(*to, tokenize(body, *text_, chat_, card_, options_.bounds, rules_));
        default: return answer(*to, detokenize(body, *text_, card_));
      }
    } catch (error const& e) {
      refuse(*to, error_of(e));
    } catch (std::bad_alloc const&) {
      refuse(*to, {503, "out of memory", "", "unavailable", 1});
    } catch (std::exception const& e) {
      refuse(*to, {500, "internal error: " + std::string(e.what())});
    }
  }

  /// How long a body may be, where that is not the transport's affair; 0: it is. Only for requests that were admitted.
  std::size_t body_limit(http_request const& r) const noexcept {
    auto const steering = control::find_route(r.path());
    return steering && steering->what == control::verb::refit && control_.is_weights(r) ? control_.refit_bytes() : 0;
  }

  latency_metrics& latency() const noexcept { return latency_; }

 private:
  using fields_type = verbatim::fields;
  /// What trainers send back with every message and nobody here reads; it may be most of a body.
  static constexpr std::string_view unread[] = {"generation_log_probs", "routed_experts"};

  http_response refusal(api_error const& e) const { return error_response(e, options_.answers.status_codes); }
  bool may_ask(http_request const& r) const noexcept { return keys_.admits(r.header("Authorization")) || control_.is_admin(r); }

  std::optional<http_response> admit_control(http_request const& r, control::route const& route) const {
    if (route.changes) {
      if (auto refused = control_.refuse(r)) return refused;
    } else if (!may_ask(r)) {
      return refusal({401, "a valid API key is needed: Authorization: Bearer KEY", "", "invalid_api_key"});
    }
    bool const fits = (route.post && r.method == "POST") || (route.get && (r.method == "GET" || r.method == "HEAD"));
    if (!fits) {
      http_response answer = refusal({405, "this path takes " + std::string(route.post ? "POST" : "GET"), "", "method_not_allowed"});
      answer.head.headers.emplace_back("Allow", route.post && route.get ? "GET, HEAD, POST" : route.post ? "POST" : "GET, HEAD");
      return answer;
    }
    bool const body = !r.header("Transfer-Encoding").empty() || (!r.header("Content-Length").empty() && r.header("Content-Length") != "0");
    bool const weights = route.what == control::verb::refit && control_.is_weights(r);
    if (body && !weights && !is_json(r.header("Content-Type")))
      return refusal({415, "Content-Type: application/json is needed", "", "unsupported_media_type"});
    return std::nullopt;
  }

  void refuse(reply& to, api_error e) const { to.respond(refusal(e)); }
  void answer(reply& to, text_answer a) const {
    if (auto* e = std::get_if<api_error>(&a)) return refuse(to, std::move(*e));
    to.respond({{}, std::move(std::get<std::string>(a))});
  }
  static api_error error_of(error const& e) {
    std::string text(wire::utf8_prefix(e.message(), problems::message_bytes));
    if (e.area() == "json") return {400, std::move(text), "", "invalid_json"};
    if (e.area() == "engine" && e.number() == 1) return {429, std::move(text), "", "rate_limit_exceeded", 1};
    if (e.area() == "engine" && e.number() == 2) return {503, std::move(text), "", "unavailable", 5};
    if (e.area() == "engine" || e.area() == "transport") return {500, std::move(text)};
    return {422, std::move(text)};
  }

  http_response get(route const& r, http_request const& asked) const {
    switch (r.what) {
      case endpoint::health: {
        bool const up = !draining_.load();
        return {{.status = up ? 200 : 503}, up ? "{\"status\":\"ok\"}" : "{\"status\":\"draining\"}"};
      }
      case endpoint::version: return {{}, "{\"version\":\"" + card_.version + "\"}"};
      case endpoint::metrics:
        return {{.content_type = "text/plain; version=0.0.4; charset=utf-8"}, metrics_page(card_.name, jobs_->stats(), latency_)};
      case endpoint::models: return {{}, dump_json(model_list(card_))};
      default: {
        std::string const id = percent_decoded(asked.path().substr(r.path.size()));
        if (id == card_.name) return {{}, dump_json(model_json(card_))};
        return refusal({404, "the model '" + std::string(wire::utf8_prefix(id, problems::value_bytes)) + "' does not exist: this server has '" + card_.name + "'",
                        "model", "model_not_found"});
      }
    }
  }

  /// Problems and unknown fields. False: the request is refused.
  bool acceptable(reply& to, fields_type& f) const {
    auto const unknown = f.unknown();
    if (options_.strict)
      for (auto const& name : unknown) f.add(name, "unknown field", "unknown_parameter");
    if (f.report().empty()) {
      if (!unknown.empty()) to.add_header("Warning", warning_of(unknown));
      return true;
    }
    api_error e = f.report().error();
    if (e.code == "model_not_found" && f.report().size() == 1) e.status = 404;
    if (e.code == "null_value" && f.report().size() == 1) e.status = 400;
    refuse(to, std::move(e));
    return false;
  }

  void chat(reply_ptr const& to, json const& body) const {
    problems p;
    fields_type f(body, "", p);
    chat_request r = read_chat(f, card_, options_.bounds, rules_);
    pin(f, r.common.ask.sampling, options_.pinned);
    bool const bundle = r.common.ask.top_logprobs >= 0 && r.common.message_bundle.value_or(options_.answers.message_bundles);
    if (bundle && r.common.ask.logprobs == logprobs_mode::raw)
      f.add("logprobs_mode", "raw would put other log-probabilities on the message than those that were sampled with; use both");
    if (!acceptable(*to, f)) return;
    std::vector<request> asks(1, std::move(r.common.ask));
    if (auto e = tokenise(r.talk, *text_, chat_, rules_, asks[0].prompt)) return refuse(*to, std::move(*e));
    if (auto e = fit_context(r.common, asks[0], card_.context, "messages")) return refuse(*to, std::move(*e));
    add_bad_words(*text_, r.common.bad_words, asks[0].sampling);
    answer_shape& shape = make_shape(*to, r.common, asks, "chatcmpl-");
    shape.logprobs = asks[0].top_logprobs >= 0;
    shape.bundle = bundle;
    if (shape.bundle) shape.prompt_ids.assign(1, asks[0].prompt);
    shape.output = parsers_.rules(*text_, r.talk, asks[0]);
    to->expect(typename reply::chat_gather({*text_, shape}, shape, latency_, to->arrival()));
    submit(to, std::move(asks));
  }

  void complete(reply_ptr const& to, json const& body) const {
    problems p;
    fields_type f(body, "", p);
    completion_request r = read_completion(f, card_, options_.bounds);
    pin(f, r.common.ask.sampling, options_.pinned);
    if (!acceptable(*to, f)) return;
    generation_fields& g = r.common;
    add_bad_words(*text_, g.bad_words, g.ask.sampling);
    std::vector<request> asks;
    std::vector<std::string> shown;
    for (text_or_ids& prompt : r.prompts) {
      request& ask = asks.emplace_back(g.ask);
      if (!g.seeded) ask.sampling.seed = fresh_seed();
      if (auto* text = std::get_if<std::string>(&prompt)) {
        if (g.special_tokens) text_->encode_with_special(*text, ask.prompt); else text_->encode(*text, ask.prompt);
        if (r.echo) shown.push_back(std::move(*text));
      } else {
        ask.prompt = std::move(std::get<std::vector<token>>(prompt));
        if (r.echo) shown.push_back(text_->decode(ask.prompt, ask.skip_special_tokens));
      }
      if (ask.prompt.empty()) return refuse(*to, {422, "a prompt has no tokens", "prompt"});
      if (auto e = fit_context(g, ask, card_.context, "prompt")) return refuse(*to, std::move(*e));
    }
    answer_shape& shape = make_shape(*to, g, asks, "cmpl-");
    shape.logprobs = r.logprobs;
    shape.echo = r.echo;
    shape.prompt_text = std::move(shown);
    completion_answer<Text, Filter> form(*text_, shape);
    form.hide_special(g.ask.skip_special_tokens);
    to->expect(typename reply::completion_gather(std::move(form), shape, latency_, to->arrival()));
    submit(to, std::move(asks));
  }

  answer_shape& make_shape(reply& to, generation_fields const& g, std::vector<request> const& asks, std::string_view prefix) const {
    answer_shape& s = to.shape();
    std::string_view const header = to.asked().header("X-Request-Id");
    std::string const id = is_request_id(header) ? std::string(header) : g.request_id.empty() ? random_id() : g.request_id;
    to.add_header("X-Request-Id", id);
    to.add_header("X-Weight-Version", jobs_->versions().label());
    s.id = std::string(prefix) + id;
    if (is_request_id(header)) s.names.emplace_back(header);
    for (std::string const& name : {g.request_id, g.rid})
      if (!name.empty() && name != header && std::find(s.names.begin(), s.names.end(), name) == s.names.end()) s.names.push_back(name);
    s.model = card_.name;
    s.fingerprint = fingerprint(card_.contract);
    s.created = seconds_since_1970();
    s.stream = g.stream, s.include_usage = g.include_usage, s.continuous_usage = g.continuous_usage;
    answer_defaults const& d = options_.answers;
    s.token_ids = g.return_token_ids, s.prompt_logprobs = g.prompt_logprobs;
    s.tokens_as_ids = g.tokens_as_ids.value_or(d.tokens_as_ids);
    s.exact = d.exact_shape, s.status_codes = d.status_codes;
    s.prompts = int(asks.size()), s.count = asks[0].count;
    s.stop_ids = asks[0].stop_token_ids;
    s.raw_logprobs = asks[0].logprobs == logprobs_mode::both;
    s.versions = g.weight_versions.value_or(d.weight_versions) ? &jobs_->versions() : nullptr;
    if (s.token_ids)
      for (request const& ask : asks) s.prompt_ids.push_back(ask.prompt);
    return s;
  }

  void submit(reply_ptr const& to, std::vector<request> asks) const {
    try {
      std::shared_ptr<mailbox> const box(to, &to->box());
      std::string const& id = to->shape().id;
      control_.live().add(id, false, box);
      if (to->shape().names.empty()) control_.live().add(id.substr(id.find('-') + 1), false, box);   // as X-Request-Id has it
      for (std::string const& name : to->shape().names) control_.live().add(name, true, box);
      int first = 0;
      for (request& ask : asks) {
        int const count = ask.count;
        to->box().attach(jobs_->submit(std::move(ask), [to, first](event const& e) { to->box().deliver(e, first); }));
        first += count;
      }
    } catch (...) {
      to->cancel();   // what is already queued
      throw;
    }
    to->started();
  }

  Text const* text_;
  Chat const* chat_;
  inbox* jobs_;
  model_card card_;
  service_options options_;
  key_ring keys_;
  control::plane control_;
  parsers parsers_;
  chat_rules rules_;
  mutable latency_metrics latency_;
  std::atomic<bool> draining_{false};
};

}  // namespace verbatim::openai_v1
