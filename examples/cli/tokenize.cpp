// verbatim tokenize: texts to token ids, as JSON lines.
#include <iostream>
#include <string>
#include <vector>

#include "commands.hpp"
#include "json_lines.hpp"
#include "options.hpp"
#include "tokenizer_option.hpp"
#include "verbatim/text/bpe.hpp"

int run_tokenize(int argc, char** argv) {
  cli::tokenizer_option which;
  bool special = false;
  cli::options o("tokenize", "Encodes texts with the tokenizer of a model.");
  which.declare(o);
  o.flag("--special", special, "with the special tokens that belong around a text");
  o.notes("Reads {\"name\": .., \"text\": ..} a line on standard input, writes {\"name\": .., \"ids\": [..]} a line.");
  if (auto code = o.parse(argc, argv)) return *code;
  if (auto code = which.refused(o)) return *code;
  auto const tokenizer = verbatim::bpe::load(which.path());
  std::vector<verbatim::token> ids;
  cli::each_json_line([&](verbatim::json const& in, std::size_t number) {
    if (!in.is_object() || !in.contains("text") || !in["text"].is_string()) cli::refuse_line(number, "an object with a string \"text\" expected");
    ids.clear();
    auto const& text = in["text"].get_ref<std::string const&>();
    if (special) tokenizer.encode_with_special(text, ids);
    else tokenizer.encode(text, ids);
    verbatim::json out = verbatim::json::object();
    if (in.contains("name")) out["name"] = in["name"];
    out["ids"] = ids;
    std::cout << verbatim::dump_json(out) << '\n';
  });
  return std::cout.flush() ? cli::success : cli::failure;
}
