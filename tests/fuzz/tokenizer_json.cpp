// Any bytes as tokenizer.json: loaded or refused with a numbered error, and what loads encodes and decodes.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/bpe.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  try {
    auto const t = verbatim::bpe::from_json({reinterpret_cast<char const*>(data), size});
    std::vector<verbatim::token> ids;
    t.encode_with_special("Hello w\xC3\xB6rld <s> 123  \n\t x\xCC\x81 \xE2\x96\x81 \xFF", ids);
    for (int id = -1; id < 40; ++id) ids.push_back(id);
    std::string const all = t.decode(ids, false);
    if (verbatim::detail::utf8_prefix(all) != all.size()) __builtin_trap();
    t.decode(ids, true);
  } catch (verbatim::error const&) {
  }
  return 0;
}
