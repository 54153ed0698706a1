// The reference server: a pipeline for each kind of checkpoint, an engine, the OpenAI front. Build on this file.
//   openai_server MODEL_DIR [PORT] [cuda]
// An address that other machines can reach needs an API key: VERBATIM_API_KEY=secret openai_server MODEL_DIR 8000
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <system_error>
#include <type_traits>

#include <verbatim/front/serve.hpp>

#include "../pipelines.hpp"   // which parts an engine is made of, for each kind of checkpoint

int main(int argc, char** argv) try {
  verbatim::openai options;
  bool cuda = argc > 2 && std::string_view(argv[argc - 1]) == "cuda", understood = argc >= 2 && argc <= 3 + cuda;
  if (argc > 2 + cuda) {
    std::string_view const port = argv[2];
    auto const [end, wrong] = std::from_chars(port.data(), port.data() + port.size(), options.port);
    understood = understood && wrong == std::errc{} && end == port.data() + port.size();
  }
  if (!understood) {
    std::fprintf(stderr, "usage: openai_server MODEL_DIR [PORT] [cuda]\n");
    return 2;
  }
  if (char const* key = std::getenv("VERBATIM_API_KEY")) {
    options.address = "0.0.0.0";
    options.api_keys = {key};
  }
  options.log = [](std::string_view line) { std::fprintf(stderr, "%.*s\n", int(line.size()), line.data()); };

  // The checkpoint decides which types run it; everything below this line is compiled for each of them.
  return verbatim::with_checkpoint(argv[1], [&]<class Model, class T>(verbatim::checkpoint_kind<Model, T>) {
    auto const serve_on = [&]<class Device>(std::type_identity<Device>) {
      verbatim::engine<examples::standard<Model, T, Device>> engine{{.checkpoint = argv[1], .max_batch = 64}};
      return verbatim::serve(engine, options);
    };
    if (!cuda) return serve_on(std::type_identity<verbatim::cpu::native>{});
#if VERBATIM_WITH_CUDA
    if constexpr (std::is_same_v<T, verbatim::bf16>) return serve_on(std::type_identity<verbatim::cuda::sm90>{});
    throw verbatim::error("device", 9, "this program's engines for CUDA devices compute in bf16, and the checkpoint is wider");
#else
    throw verbatim::error("device", 8, "this program was built without CUDA: build again with -DVERBATIM_CUDA=ON");
#endif
  });
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
