// Buckets: what lies within is found where it lies, what does not is refused, however large the numbers.
#include "catch.hpp"
#include "verbatim/weights/bucket.hpp"

#include <limits>

using namespace verbatim;
using weights::bucket_entry;

namespace {
std::string refusal(bucket_entry const& e, std::uint64_t bytes, void const* data = nullptr) {
  try {
    weights::tensors_of(std::span(&e, 1), data, bytes, memory_space::device);
  } catch (error const& why) {
    CHECK(why.number() == 60);
    return std::string(why.message());
  }
  return "";
}
}  // namespace

TEST_CASE("bucket: tensors lie at their offsets") {
  float values[10] = {};
  bucket_entry const entries[] = {{"a", dtype::f32, {{2, 3}, 2}, 0}, {"b", dtype::bf16, {{4}, 1}, 24}, {"none", dtype::f32, {{0, 7}, 2}, 40}};
  auto const found = weights::tensors_of(entries, values, sizeof values, memory_space::host);
  REQUIRE(found.size() == 3);
  CHECK((found[0].name == "a" && found[0].data == values && found[0].bytes() == 24));
  CHECK((found[1].data == values + 6 && found[1].where == memory_space::host));
  CHECK(found[2].bytes() == 0);
}
TEST_CASE("bucket: what is not within is refused") {
  constexpr auto huge = std::numeric_limits<std::int64_t>::max();
  CHECK(refusal({"x", dtype::f32, {{10}, 1}, 0}, 40).empty());
  CHECK(refusal({"x", dtype::f32, {{11}, 1}, 0}, 40).find("outside") != std::string::npos);
  CHECK(refusal({"x", dtype::f32, {{10}, 1}, 4}, 40).find("outside") != std::string::npos);
  CHECK(refusal({"x", dtype::bf16, {{1}, 1}, 41}, 40).find("multiple") != std::string::npos);
  alignas(4) char const memory[8] = {};
  CHECK(refusal({"x", dtype::f32, {{1}, 1}, 0}, 6, memory + 2).find("multiple") != std::string::npos);   // the bucket begins within another
  CHECK(refusal({"x", dtype::f32, {{1}, 1}, 2}, 6, memory + 2).empty());
  CHECK(refusal({"x", dtype::bf16, {{1}, 1}, ~std::uint64_t(1)}, 40).find("outside") != std::string::npos);
  CHECK(refusal({"x", dtype::f32, {{huge, huge, huge, huge}, 4}, 0}, 40).find("larger") != std::string::npos);
  CHECK(refusal({"x", dtype::f32, {{-1}, 1}, 0}, 40).find("larger") != std::string::npos);
  CHECK(refusal({"x", dtype::f32, {{1}, 5}, 0}, 40).find("four") != std::string::npos);
}
