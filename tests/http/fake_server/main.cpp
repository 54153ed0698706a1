// The scripted engine of fake_engine.hpp behind the real front, for the Python clients: fake_server [PORT [KEY]].
#include <cstdio>
#include <cstdlib>
#include <string>

#include "../fake_engine.hpp"
#include "verbatim/front/openai_front.hpp"

int main(int argc, char** argv) {
  fake::engine engine;
  verbatim::openai options;
  options.port = static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 0);
  if (argc > 2) options.api_keys = {argv[2]};
  options.log = [](std::string_view line) { std::fprintf(stderr, "%.*s\n", int(line.size()), line.data()); };
  return verbatim::serve_with(engine, options);
}
