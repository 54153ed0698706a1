// Any bytes as a template over a small context: renders or throws verbatim::error, within the limits.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "verbatim/text/jinja/template.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace verbatim;
  static json const context = parse_json(
      R"({"messages":[{"role":"user","content":"Hi \u00e9"},{"role":"assistant","content":[{"type":"text","text":"x"}]}],"tools":null,"n":3,"f":1.5,"xs":[3,1,2]})");
  try {
    jinja::source_template const t(std::string_view(reinterpret_cast<char const*>(data), size));
    t.render(context, std::tm{}, {.steps = 20'000, .text = 1 << 16, .depth = 200});
  } catch (error const&) {
  }
  return 0;
}
