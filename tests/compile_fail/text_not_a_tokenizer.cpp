// expect: pipeline::text must model verbatim::tokenizer
#include "verbatim/engine/pipeline.hpp"

struct words {
  int vocabulary() const { return 2; }
  bool is_stop(verbatim::token) const { return false; }
};

struct misused : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
#ifdef CONTROL
  using text = verbatim::bpe;
#else
  using text = words;
#endif
};

static_assert(verbatim::check<misused>());
