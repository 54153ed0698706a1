// verbatim generate: one prompt or conversation in, its continuation out.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <optional>

#include "commands.hpp"
#include "model_dispatch.hpp"
#include "verbatim/front/generate.hpp"
#include "verbatim/text/json.hpp"

namespace {

struct generate_options {
  cli::model_options model;
  std::string prompt, messages;
  bool json = false, ignore_eos = false;
  int max_tokens = 128;
  long long seed = 0;
  std::optional<float> temperature, top_p;   // absent: the model's own
  std::optional<int> top_k;
};

std::string read_file(std::string const& path) {
  std::ifstream in(path == "-" ? "/dev/stdin" : path, std::ios::binary);
  if (!in) throw verbatim::error("usage", 1, path + ": cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class P> std::vector<verbatim::token> prompt_ids(verbatim::engine<P>& engine, generate_options const& o) {
  std::vector<verbatim::token> ids;
  if (o.messages.empty()) {
    engine.text().encode_with_special(o.prompt, ids);
    return ids;
  }
  if (!engine.chat()) throw verbatim::error("usage", 2, "this model brings no chat template; use --prompt");
  verbatim::json const file = verbatim::parse_json(read_file(o.messages));
  bool const wrapped = file.is_object();   // {"messages": […], "tools": […]}, or just the messages
  verbatim::json const messages = wrapped ? file.value("messages", verbatim::json()) : file;
  verbatim::json const tools = wrapped ? file.value("tools", verbatim::json()) : verbatim::json();
  engine.text().encode(engine.chat()->render(messages, tools, verbatim::json::object(), {.add_generation_prompt = true}), ids);
  return ids;
}

template <class P> int generate_one(verbatim::engine<P>& engine, generate_options const& o) {
  verbatim::request r;
  r.prompt = prompt_ids(engine, o);
  r.max_tokens = o.max_tokens;
  r.ignore_eos = o.ignore_eos;
  r.sampling.seed = std::uint64_t(o.seed);
  auto const& d = engine.defaults();
  bool const greedy = d.do_sample && !*d.do_sample;   // the model's own advice
  r.sampling.temperature = o.temperature ? *o.temperature : greedy ? 0 : d.temperature.value_or(1.0f);
  r.sampling.top_p = o.top_p.value_or(d.top_p.value_or(1.0f));
  r.sampling.top_k = std::max(0, o.top_k.value_or(d.top_k.value_or(0)));
  auto const done = verbatim::generate(engine, r).front();
  if (!done.error.empty()) throw std::runtime_error(done.error);
  if (done.text.empty() && done.ids.size() <= 1 && done.finish == verbatim::finish_reason::stop && o.messages.empty() && engine.chat())
    std::cerr << "the model ended at once: it has a chat template, which --messages applies and --prompt does not\n";
  std::string const reason = done.finish == verbatim::finish_reason::stop ? "stop" : "length";
  if (o.json)
    std::cout << verbatim::dump_json({{"prompt_ids", r.prompt}, {"ids", done.ids}, {"logprobs", done.logprobs},
                                      {"text", done.text}, {"finish_reason", reason}}) << "\n";
  else
    std::cout << done.text << "\n";
  return cli::success;
}

}  // namespace

int run_generate(int argc, char** argv) {
  generate_options o;
  cli::options options("generate", "Continues a prompt, or answers the last message of a conversation.");
  o.model.declare(options);
  options.text("--prompt", "TEXT", o.prompt, "text to continue (the tokenizer's special tokens are added; this or --messages is required)");
  options.text("--messages", "FILE", o.messages, "JSON, - for standard input: an array of messages, or {\"messages\", \"tools\"} (this or --prompt is required)");
  options.flag("--json", o.json, "print {\"prompt_ids\",\"ids\",\"logprobs\",\"text\",\"finish_reason\"}");
  options.number("--max-tokens", "N", o.max_tokens, 1, 1 << 24, "output tokens at most");
  options.optional_number("--temperature", "X", o.temperature, 0.0f, 2.0f, "0: greedy; absent: the model's default, else 1");
  options.optional_number("--top-p", "X", o.top_p, 0.0f, 1.0f, "above 0; 1: off; absent: the model's default, else off");
  options.optional_number("--top-k", "N", o.top_k, -1, std::numeric_limits<int>::max(), "0 or -1: off; absent: the model's default, else off");
  options.number("--seed", "N", o.seed, 0LL, (1LL << 62), "the same seed gives the same answer");
  options.flag("--ignore-eos", o.ignore_eos, "go on to --max-tokens");
  if (auto code = options.parse(argc, argv)) return *code;
  if (o.prompt.empty() == o.messages.empty()) return options.usage_error("exactly one of --prompt TEXT (not empty) and --messages FILE is needed");
  if (o.top_p == 0.0f) return options.usage_error("--top-p '0': expected a value above 0, at most 1");
  o.model.max_batch = 1;
  return cli::with_model(o.model, [&](auto& engine) { return generate_one(engine, o); });
}
