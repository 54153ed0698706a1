// What a consumer compiles for itself, bodies included: the ids of a text and the text of the ids.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>
#include <verbatim/text/bpe.hpp>

int main(int argc, char** argv) try {
  if (argc != 2) return std::fputs("Usage: ids MODEL_DIR\n", stderr), 2;
  auto const text = verbatim::bpe::load(std::string(argv[1]) + "/tokenizer.json");
  std::string const given = "What is 17 + 25?";
  std::vector<verbatim::token> ids;
  text.encode(given, ids);
  return !ids.empty() && text.decode(ids, false) == given ? 0 : 1;
} catch (std::exception const& e) {
  return std::fprintf(stderr, "%s\n", e.what()), 1;
}
