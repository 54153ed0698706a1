// verbatim score: log-probabilities of given tokens, one pass per line.
#include <iostream>
#include <string>

#include "commands.hpp"
#include "model_dispatch.hpp"
#include "verbatim/text/json.hpp"

namespace {

/// {"ids":[…]} with every element a small integer; anything else is an error that says so.
std::vector<verbatim::token> ids_of(std::string const& line) {
  verbatim::json const object = verbatim::parse_json(line);
  if (!object.is_object() || !object.contains("ids") || !object["ids"].is_array())
    throw verbatim::error("usage", 3, "expected a line {\"ids\":[...]}");
  std::vector<verbatim::token> ids;
  for (auto const& id : object["ids"]) {
    if (!id.is_number_integer() || id < 0 || id > 0x7fffffff) throw verbatim::error("usage", 3, "ids must be token ids");
    ids.push_back(id.get<verbatim::token>());
  }
  return ids;
}

}  // namespace

int run_score(int argc, char** argv) {
  cli::model_options o;
  cli::options options("score", "Log-probabilities of given tokens under the model (temperature 1).");
  o.declare(options);
  options.notes("Standard input: JSON lines {\"ids\":[...]}. Standard output, for each: {\"logprobs\":[...]}, one number per\n"
                "token after the first, or {\"error\":\"...\"}. Exit code 1 when any line failed.");
  if (auto code = options.parse(argc, argv)) return *code;
  return cli::with_model(o, [](auto& engine) {
    int code = cli::success;
    for (std::string line; std::getline(std::cin, line);) {
      verbatim::json out;
      try {
        out["logprobs"] = engine.score(ids_of(line));
      } catch (std::exception const& e) {
        out["error"] = e.what();
        code = cli::failure;
      }
      std::cout << verbatim::dump_json(out) << std::endl;
    }
    return code;
  });
}
