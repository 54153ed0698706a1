// Any bytes as config.json and as generation_config.json: an error of ours, or numbers that keep the promises of
// config_json.hpp and from which sizes can be computed without overflow (UBSan watches).
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "verbatim/weights/config_json.hpp"
#include "verbatim/weights/floors.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace verbatim;
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  try {
    model_config const c = parse_config(text);
    bool const sane = c.layers > 0 && c.hidden > 0 && c.intermediate > 0 && c.vocabulary > 0 && c.heads > 0 && c.kv_heads > 0 &&
                      c.heads % c.kv_heads == 0 && c.head_dim > 0 && c.head_dim % 2 == 0 && c.context > 0 && c.rms_eps > 0 &&
                      c.rope_theta >= 1 && c.window >= 0 && (c.windowed.empty() || int(c.windowed.size()) == c.layers);
    if (!sane) std::abort();
    for (auto const* list : {&c.bos, &c.eos})
      for (token t : *list)
        if (t < 0 || t >= c.vocabulary) std::abort();
    if (weights::floors_of(c).parameters <= 0) std::abort();
  } catch (error const&) {
  }
  try {
    auto const g = parse_generation_config(text, 1000);
    if (g.defaults.temperature && !(*g.defaults.temperature >= 0)) std::abort();
  } catch (error const&) {
  }
  return 0;
}
