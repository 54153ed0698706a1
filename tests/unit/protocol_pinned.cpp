// Pinned sampling: what the engine gets, whatever the request leaves to the model's own defaults.
#include <string>

#include "catch.hpp"
#include "verbatim/protocol/openai/pinned_sampling.hpp"
#include "verbatim/protocol/openai/sampling_fields.hpp"

using namespace verbatim;
using namespace verbatim::openai_v1;

namespace {

struct asked {
  bool refused = false;
  sampling_params sampling{};
};

asked pinned(std::string const& body, pinned_sampling const& rule) {
  sampling_defaults const model{.temperature = 0.6f, .top_p = 0.95f, .min_p = 0.1f, .repetition_penalty = 1.1f, .top_k = 20};
  json const request = parse_json(body);
  problems report;
  fields f(request, "", report);
  asked r;
  openai_v1::detail::read_sampler(f, r.sampling, model);
  pin(f, r.sampling, rule);
  r.refused = !report.empty();
  return r;
}

pinned_sampling rule(pinning mode) { return {mode, {{1.0f, 1.0f}, {0.5f, 0.9f}}}; }

}  // namespace

TEST_CASE("a pinned server refuses what is not one of its pairs") {
  auto const refused = [](char const* body) { return pinned(body, rule(pinning::reject)).refused; };
  CHECK_FALSE(refused(R"({"temperature":1,"top_p":1})"));
  CHECK_FALSE(refused(R"({"temperature":0.5,"top_p":0.9,"top_k":-1})"));
  CHECK_FALSE(refused(R"({"temperature":1,"top_p":1,"top_k":null,"min_p":0})"));
  CHECK(refused(R"({"temperature":1,"top_p":0.9})"));
  CHECK(refused(R"({"temperature":1})"));
  CHECK(refused(R"({"top_p":1})"));
  CHECK(refused(R"({"temperature":1,"top_p":1,"top_k":20})"));
  CHECK(refused(R"({"temperature":1,"top_p":1,"min_p":0.1})"));
  for (auto const* more : {R"("repetition_penalty":1.5)", R"("presence_penalty":1)", R"("frequency_penalty":0.5)", R"("bad_words":["a"])"})
    CHECK(refused((std::string(R"({"temperature":1,"top_p":1,)") + more + "}").c_str()));
  CHECK_FALSE(refused(R"({"temperature":1,"top_p":1,"presence_penalty":0,"frequency_penalty":0,"logit_bias":null,"bad_words":[]})"));
}

TEST_CASE("a pinned server samples as the trainer believes, not as the model's defaults say") {
  for (pinning const mode : {pinning::reject, pinning::override_request}) {
    asked const r = pinned(R"({"temperature":1,"top_p":1})", rule(mode));
    CHECK_FALSE(r.refused);
    CHECK((r.sampling.temperature == 1 && r.sampling.top_p == 1 && r.sampling.top_k == 0 && r.sampling.min_p == 0 && r.sampling.repetition_penalty == 1));
  }
  asked const overridden = pinned(R"({"temperature":0,"top_k":5,"repetition_penalty":1.3})", rule(pinning::override_request));
  CHECK_FALSE(overridden.refused);
  CHECK((overridden.sampling.temperature == 1 && overridden.sampling.top_k == 0 && overridden.sampling.repetition_penalty == 1));
  CHECK(pinned(R"({"bad_words":["a"]})", rule(pinning::override_request)).refused);
  CHECK(pinned("{}", rule(pinning::off)).sampling.top_k == 20);
}
