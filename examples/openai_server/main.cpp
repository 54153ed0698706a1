// The reference server: a pipeline for each kind of checkpoint, an engine, the OpenAI front. Build on this file.
//   openai_server MODEL_DIR [PORT]
// An address that other machines can reach needs an API key: VERBATIM_API_KEY=secret openai_server MODEL_DIR 8000
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include <verbatim/front/serve.hpp>

#include "../pipelines.hpp"   // which parts an engine is made of, for each kind of checkpoint

int main(int argc, char** argv) try {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: openai_server MODEL_DIR [PORT]\n");
    return 2;
  }
  verbatim::openai options;
  if (argc == 3) options.port = static_cast<unsigned short>(std::atoi(argv[2]));
  if (char const* key = std::getenv("VERBATIM_API_KEY")) {
    options.address = "0.0.0.0";
    options.api_keys = {key};
  }
  options.log = [](std::string_view line) { std::fprintf(stderr, "%.*s\n", int(line.size()), line.data()); };

  // The checkpoint decides which types run it; everything below this line is compiled for each of them.
  return verbatim::with_checkpoint(argv[1], [&]<class Model, class T>(verbatim::checkpoint_kind<Model, T>) {
    verbatim::engine<examples::standard<Model, T>> engine{{.checkpoint = argv[1], .max_batch = 64}};
    return verbatim::serve(engine, options);
  });
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
