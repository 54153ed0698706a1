// Any bytes as the body of every endpoint: parsed, tokenised, submitted, answered by a scripted engine. An answer must be
// JSON with a sensible status; the first byte of the input chooses the endpoint.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "../http/fake_engine.hpp"
#include "verbatim/protocol/openai/service.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace verbatim;
  static fake::engine engine;
  static model_card const card = [] {
    model_card c;
    c.context = 64;
    c.vocabulary = fake::vocabulary;
    return c;
  }();
  static openai_v1::service<fake::text, fake::chat_template> service(engine.text(), engine.chat(), engine.jobs(), card, {});
  static constexpr char const* paths[] = {"/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize"};
  if (size == 0) return 0;
  http_request r{"POST", paths[data[0] % 4], {{"Content-Type", "application/json"}}, std::string(reinterpret_cast<char const*>(data) + 1, size - 1)};
  if (r.body.find("[s") != r.body.npos) return 0;   // scripted delays
  auto const reply = service.open(std::move(r), [] {});
  service.work(reply);
  std::string out;
  for (int step = 0; reply->poll(out) != reply_state::complete; ++step) {
    engine.poll();
    if (step > 100'000) std::abort();   // no answer
  }
  int const status = reply->head().status;
  if (status != 200 && status != 400 && status != 404 && status != 422 && status != 429 && status != 500) std::abort();
  if (!wire::is_utf8(out)) std::abort();
  if (reply->head().stream) {
    if (out.size() < 14 || out.compare(out.size() - 14, 14, "data: [DONE]\n\n") != 0) std::abort();
  } else {
    parse_json(out);   // throws, and so crashes, when it is none
  }
  return 0;
}
