// The body of check_exposure of openai_front.hpp, which is no template: a program that compiles bodies once includes this in one unit,
// however many openai_front<Text, Chat> it instantiates (core/separate.hpp).
#pragma once
#include "verbatim/core/error.hpp"
#include "verbatim/front/openai_front.hpp"
#include "verbatim/transport/http.hpp"

namespace verbatim {

VERBATIM_BODY void check_exposure(openai const& o) {
  for (auto const* keys : {&o.api_keys, &o.admin_keys})
    for (auto const& key : *keys)
      if (key.empty()) throw error("transport", 4, "an API key is empty");
  if (o.pinned.mode != openai_v1::pinning::off && o.pinned.allowed.empty())
    throw error("transport", 5, "sampling is pinned, but no pair of temperature and top_p is given");
  if (!bind_address(o.address).is_loopback() && o.api_keys.empty() && !o.allow_open)
    throw error("transport", 1, "other machines can reach " + o.address +
                ": ask for a key (api_keys, --api-key KEY) or say that access is open (allow_open, --allow-open)");
}

}  // namespace verbatim
