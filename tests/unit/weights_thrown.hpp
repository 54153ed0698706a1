// What a call throws, as text; empty if it throws nothing.
#pragma once
#include <string>

#include "verbatim/core/error.hpp"

template <class F> std::string thrown(F&& f) {
  try {
    f();
  } catch (verbatim::error const& e) {
    return e.what();
  }
  return {};
}

inline bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }
