// The smallest server: a pipeline, an engine, a front. Options, keys and logs: examples/openai_server.
// [server]
#include <verbatim/front/serve.hpp>
#include <verbatim/verbatim.hpp>

#ifdef ON_GPU   // compiled twice, as minimal_server and minimal_server_gpu (examples/CMakeLists.txt)
#include <verbatim/backend/cuda/device.hpp>
using device = verbatim::cuda::sm90;
#else
using device = verbatim::cpu::native;   // verbatim::cuda::sm90: an NVIDIA GPU
#endif

struct chat : verbatim::pipeline<device, verbatim::qwen3> {
  using cache = verbatim::paged<64>;
  using sampler = verbatim::sample<verbatim::temperature, verbatim::top_p, verbatim::gumbel>;
};

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  verbatim::engine<chat> engine{{.checkpoint = argv[1]}};
  return verbatim::serve(engine, verbatim::openai{.port = 8000, .name = "qwen3"});
}
// [server]
