// Any bytes: an error of ours, or a file whose every readable tensor lies in bounds and aligned. The same bytes also as an
// index of shards.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "verbatim/weights/checkpoint.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace verbatim;
  std::unique_ptr<std::byte[]> const exact(new std::byte[size]);   // no slack: an overrun is seen
  if (size > 0) std::memcpy(exact.get(), data, size);
  try {
    weights::safetensors const st({exact.get(), size}, "input");
    for (auto const& t : st.list()) {
      if (t.begin > t.end || t.end > size) std::abort();
      if (!weights::safetensors::readable(t)) continue;
      tensor const r = st.access(t);
      if (r.bytes() != t.end - t.begin || reinterpret_cast<std::uintptr_t>(r.data) % size_of(r.type) != 0) std::abort();
      std::uint8_t volatile sum = 0;
      for (std::size_t i = 0; i < r.bytes(); ++i) sum = std::uint8_t(sum + static_cast<std::uint8_t const*>(r.data)[i]);
    }
  } catch (error const&) {
  }
  try {
    for (auto const& [name, shard] : weights::parse_index({reinterpret_cast<char const*>(exact.get()), size}, "input"))
      if (!weights::is_shard_name(shard)) std::abort();
  } catch (error const&) {
  }
  return 0;
}
