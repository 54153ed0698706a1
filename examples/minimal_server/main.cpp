// The smallest server: a pipeline, an engine, a front. Options, keys and logs: examples/openai_server.
// [server]
#include <verbatim/front/serve.hpp>
#include <verbatim/verbatim.hpp>

struct chat : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
  using cache = verbatim::paged<64>;
  using sampler = verbatim::sample<verbatim::temperature, verbatim::top_p, verbatim::gumbel>;
};

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  verbatim::engine<chat> engine{{.checkpoint = argv[1]}};
  return verbatim::serve(engine, verbatim::openai{.port = 8000, .name = "qwen3"});
}
// [server]
