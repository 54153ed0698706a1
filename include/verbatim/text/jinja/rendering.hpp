// What rendering a template gives.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace verbatim::jinja {

struct span {
  std::size_t begin, end;                          // bytes of the output
};

struct rendering {
  std::string text;
  std::vector<span> generated;                     ///< bytes that {% generation %} blocks wrote, in order
};

}  // namespace verbatim::jinja
