// verbatim detokenize: token ids to texts, as JSON lines.
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "commands.hpp"
#include "options.hpp"
#include "verbatim/text/bpe.hpp"
#include "verbatim/text/json.hpp"

int run_detokenize(int argc, char** argv) {
  std::string path;
  bool skip = false;
  cli::options o("detokenize", "Decodes token ids with the tokenizer of a model.");
  o.text("--tokenizer", "PATH", path, "tokenizer.json or the directory that holds it").required();
  o.flag("--skip-special", skip, "leave special tokens out");
  o.notes("Reads {\"name\": .., \"ids\": [..]} a line on standard input, writes {\"name\": .., \"text\": ..} a line.");
  if (auto code = o.parse(argc, argv)) return *code;
  auto const tokenizer = verbatim::bpe::load(path);
  std::size_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    if (line.empty()) continue;
    verbatim::json const in = verbatim::parse_json(line);
    std::vector<verbatim::token> ids;
    bool fine = in.is_object() && in.contains("ids") && in["ids"].is_array();
    if (fine)
      for (auto const& id : in["ids"]) {
        fine = fine && id.is_number_unsigned() && id.get<std::uint64_t>() < (std::uint64_t(1) << 31);
        ids.push_back(fine ? id.get<verbatim::token>() : -1);
      }
    if (!fine) {
      std::fprintf(stderr, "line %zu: an object with an array \"ids\" of token ids expected\n", number);
      return cli::failure;
    }
    verbatim::json out = verbatim::json::object();
    if (in.contains("name")) out["name"] = in["name"];
    out["text"] = tokenizer.decode(ids, skip);
    std::cout << verbatim::dump_json(out) << '\n';
  }
  return std::cout.flush() ? cli::success : cli::failure;
}
