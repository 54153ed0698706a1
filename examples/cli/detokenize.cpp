// verbatim detokenize: token ids to texts, as JSON lines.
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "commands.hpp"
#include "json_lines.hpp"
#include "options.hpp"
#include "tokenizer_option.hpp"
#include "verbatim/text/bpe.hpp"

int run_detokenize(int argc, char** argv) {
  cli::tokenizer_option which;
  bool skip = false;
  cli::options o("detokenize", "Decodes token ids with the tokenizer of a model.");
  which.declare(o);
  o.flag("--skip-special", skip, "leave special tokens out");
  o.notes("Reads {\"name\": .., \"ids\": [..]} a line on standard input, writes {\"name\": .., \"text\": ..} a line.");
  if (auto code = o.parse(argc, argv)) return *code;
  if (auto code = which.refused(o)) return *code;
  auto const tokenizer = verbatim::bpe::load(which.path());
  auto const known = std::uint64_t(tokenizer.vocabulary());
  cli::each_json_line([&](verbatim::json const& in, std::size_t number) {
    std::vector<verbatim::token> ids;
    if (!in.is_object() || !in.contains("ids") || !in["ids"].is_array()) cli::refuse_line(number, "an object with an array \"ids\" of token ids expected");
    for (auto const& id : in["ids"]) {
      if (!id.is_number_integer()) cli::refuse_line(number, "\"ids\": token ids expected, " + verbatim::dump_json(id) + " found");
      if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= known)
        throw verbatim::error("usage", 5, "line " + std::to_string(number) + ": token ids below " + std::to_string(known) + " expected, " +
                                              verbatim::dump_json(id) + " found");
      ids.push_back(id.get<verbatim::token>());
    }
    verbatim::json out = verbatim::json::object();
    if (in.contains("name")) out["name"] = in["name"];
    out["text"] = tokenizer.decode(ids, skip);
    std::cout << verbatim::dump_json(out) << '\n';
  });
  return std::cout.flush() ? cli::success : cli::failure;
}
