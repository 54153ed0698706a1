// verbatim serve: an OpenAI-compatible server for one model directory.
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "commands.hpp"
#include "log_lines.hpp"
#include "model_dispatch.hpp"
#include "options.hpp"
#include "verbatim/front/serve.hpp"

namespace {

/// One argument of a shell.
std::string quoted(std::string const& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

/// A line for a shell that asks the server something: a conversation where the model has a chat template, else a text. A key stays out of
/// what may be logged: the shell's $KEY stands for it.
std::string example(verbatim::openai const& o, std::string const& model, bool chats, unsigned short port) {
  verbatim::json body = {{"model", model}};
  if (chats) body["messages"] = verbatim::json::array({{{"role", "user"}, {"content", "What is 17 + 25?"}}});
  else body["prompt"] = "The capital of France is", body["max_tokens"] = 16;
  bool const pinned = o.pinned.mode == verbatim::openai_v1::pinning::reject;
  body["temperature"] = pinned ? o.pinned.allowed.front().first : 0.0f;
  if (pinned) body["top_p"] = o.pinned.allowed.front().second;
  bool const everywhere = o.address == "0.0.0.0" || o.address == "::";
  std::string const host = everywhere ? "127.0.0.1" : o.address.find(':') == o.address.npos ? o.address : "[" + o.address + "]";
  return "curl -s " + quoted("http://" + host + ":" + std::to_string(port) + (chats ? "/v1/chat/completions" : "/v1/completions")) +
         (o.api_keys.empty() ? "" : " -H \"Authorization: Bearer $KEY\"") + " -H 'Content-Type: application/json' -d " + quoted(verbatim::dump_json(body));
}

}  // namespace

int run_serve(int argc, char** argv) {
  std::string kwargs, pin_mode = "off";
  std::vector<std::string> pinned;
  std::string reasoning = "auto", tools = "auto", log_requests = "on";
  cli::model_options model;
  verbatim::openai front;
  int port = front.port, drain = 30, queue = int(verbatim::engine_config().queue);
  cli::options o(argv[0], "Serves a model over HTTP: chat, completions, tokenisation, models, metrics.");
  o.text("--model", "DIR", model.model, "model directory in Hugging Face layout").required();
  o.text("--address", "IP", front.address, "where to listen; one that others can reach needs a key or --allow-open");
  o.number("--port", "N", port, 0, 65535, "0: any free one");
  o.text("--name", "NAME", front.name, "of the model, for clients; empty: the directory's");
  o.texts("--api-key", "KEY", front.api_keys, "clients must send one of these");
  o.texts("--admin-key", "KEY", front.admin_keys, "for the control routes (new weights, pauses, aborts); without, only on this machine and without --api-key");
  o.flag("--allow-open", front.allow_open, "let other machines in without a key");
  bool gym = false, shows = false;
  o.flag("--gym", gym, "answer as NVIDIA NeMo Gym and NeMo RL expect: ids and log-probabilities on messages, tokens named by id, vLLM's keys");
  o.text("--chat-template-kwargs", "JSON", kwargs, "an object for the chat template, e.g. {\"enable_thinking\": false}; a request's own win");
  o.choice("--pin-sampling", {"off", "reject", "override"}, pin_mode, "what becomes of requests that sample otherwise than --pinned says");
  o.texts("--pinned", "TEMPERATURE,TOP_P", pinned, "a pair that requests may use; the first is what override gives");
  o.flag("--strict", front.strict, "unknown request fields are errors");
  o.choice("--reasoning-parser", {"auto", "none", "think"}, reasoning, "<think> blocks of chat answers become reasoning; auto: where the chat template has them");
  o.choice("--tool-parser", {"auto", "none", "hermes"}, tools, "<tool_call> blocks of chat answers become tool_calls; auto: where the chat template has them");
  model.declare_values(o);
  o.number("--io-threads", "N", front.http.io_threads, 1, 64, "that serve sockets");
  o.number("--workers", "N", front.http.workers, 1, 256, "that render templates and tokenise");
  o.number("--queue", "N", queue, 1, 1 << 20, "unfinished requests at most; beyond it clients get 429");
  o.choice("--log-requests", {"on", "off"}, log_requests, "a line for each request on standard error: method, path, status, time and tokens");
  o.flag("--try", shows, "print a line for a shell that asks the server something, once it is ready");
  o.number("--drain", "SECONDS", drain, 0, 86400, "for running requests after Ctrl-C");
  o.notes("Endpoints: /v1/chat/completions /v1/completions /v1/models /tokenize /detokenize /health /version /metrics,\n"
          "and for trainers /update_weights and others (docs/control.md)");
  if (auto code = o.parse(argc, argv)) return *code;
  if (pin_mode != "off" && pinned.empty()) return o.usage_error("--pin-sampling needs --pinned TEMPERATURE,TOP_P");
  for (std::string const& pair : pinned) {
    float temperature = -1, top_p = -1;
    int end = 0;
    bool const read = std::sscanf(pair.c_str(), "%f,%f%n", &temperature, &top_p, &end) == 2 && std::size_t(end) == pair.size();
    if (!read || !(temperature >= 0 && temperature <= 2) || !(top_p > 0 && top_p <= 1))
      return o.usage_error("--pinned '" + pair + "': TEMPERATURE,TOP_P expected, such as 1.0,1.0");
    front.pinned.allowed.emplace_back(temperature, top_p);
  }
  verbatim::engine_config engine_options = model.config();
  engine_options.queue = std::size_t(queue);
  using verbatim::openai_v1::reasoning_format, verbatim::openai_v1::tool_format;
  front.reasoning_parser = reasoning == "auto" ? reasoning_format::automatic : reasoning == "none" ? reasoning_format::none : reasoning_format::think;
  front.tool_parser = tools == "auto" ? tool_format::automatic : tools == "none" ? tool_format::none : tool_format::hermes;
  using verbatim::openai_v1::pinning;
  front.pinned.mode = pin_mode == "off" ? pinning::off : pin_mode == "reject" ? pinning::reject : pinning::override_request;
  if (gym) front.answers = verbatim::openai_v1::gym;
  if (!kwargs.empty()) {
    try {
      front.template_kwargs = verbatim::parse_json(kwargs);
    } catch (verbatim::error const& e) {
      return o.usage_error("--chat-template-kwargs: " + std::string(e.message()));
    }
    if (!front.template_kwargs.is_object()) return o.usage_error("--chat-template-kwargs: a JSON object expected");
  }
  front.port = static_cast<unsigned short>(port);
  front.drain_time = std::chrono::seconds(drain);
  cli::log_lines log;
  std::signal(SIGPIPE, SIG_IGN);   // whoever reads standard error may go
  front.log = [&log](std::string_view line) { log(line); };
  if (log_requests == "on") front.http.request_log = front.log;
  verbatim::check_exposure(front);   // before the model is loaded
  std::fprintf(stderr, "loading %s\n", model.model.c_str());
  return cli::with_model(engine_options, model, [&](auto& engine) {
    if (shows)
      front.ready = [&](unsigned short at) {
        std::string const& name = front.name.empty() ? engine.name() : front.name;
        std::printf("Try, from another terminal:\n%s\n", example(front, name, engine.chat() != nullptr, at).c_str());
        std::fflush(stdout);
      };
    return verbatim::serve(engine, front);
  });
}
