// Catch2, whichever of version 2 and 3 is installed, and what every test here needs: counted skips and the test data.
// Keep to what both versions share: TEST_CASE, SECTION, CHECK*, REQUIRE*, INFO, CAPTURE, Approx, GENERATE.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#ifndef VERBATIM_SOURCE_DIR
#define VERBATIM_SOURCE_DIR "."
#endif

/// Says that a check could not be made here and why. It prints and counts: the program's last line is the number of skips,
/// and a run in which nothing else was checked is reported as skipped. The caller returns afterwards.
void skip(std::string const& reason);

/// The folder of test data that is not part of the repository: $VERBATIM_TESTDATA, else ../shared/testdata beside it.
inline std::filesystem::path testdata() {
  if (char const* set = std::getenv("VERBATIM_TESTDATA")) return set;
  return std::filesystem::path(VERBATIM_SOURCE_DIR) / "../shared/testdata";
}

/// The root of this repository: $VERBATIM_SOURCE_DIR for programs that were built elsewhere, else where it was when this was compiled.
inline std::filesystem::path source_dir() {
  if (char const* set = std::getenv("VERBATIM_SOURCE_DIR")) return set;
  return VERBATIM_SOURCE_DIR;
}

/// All bytes of a file. A file that cannot be read fails the test.
inline std::string read_bytes(std::filesystem::path const& path) {
  std::ifstream in(path, std::ios::binary);
  INFO("reading " << path.string());
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
