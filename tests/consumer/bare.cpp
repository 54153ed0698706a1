// Without CMake: the umbrella brings the engine's members into this one translation unit.
#include <verbatim/verbatim.hpp>

#include "main.cpp"
