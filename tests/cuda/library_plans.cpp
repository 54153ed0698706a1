// How library_plans asks cuBLASLt, with a stand-in for the library: what is chosen when, what a product takes once it was prepared, and
// that failures leave nothing behind. Runs without a GPU.
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "verbatim/backend/cuda/library_plans.cuh"

using namespace verbatim;

namespace {

/// What the stand-in was asked, and what it is to answer.
struct stand_in {
  long made = 0, alive = 0, chosen = 0, checked = 0, multiplied = 0;
  std::vector<std::uint64_t> rows_chosen;         // of each question to the heuristic
  std::uint64_t refuses_up_to = 0;                // the first algorithm that the heuristic names does not take so few rows
  std::string fails;                              // the call that fails, as often as `failures` says
  int failures = 0;
  std::set<std::pair<std::uint64_t, int>> refuses;   // rows and an algorithm that no check finds and a product meets
  int algorithm = -1;                             // of the last product
  std::uint64_t x_rows = 0, y_rows = 0;
  void const* bias = nullptr;
  std::set<void const*> objects;

  cublasStatus_t asked(char const* what) {
    if (fails != what || failures == 0) return CUBLAS_STATUS_SUCCESS;
    --failures;
    return CUBLAS_STATUS_ALLOC_FAILED;
  }
} s;

/// Objects are what the library's are in size; a layout keeps its columns, a description its bias, in the first word.
template <class T> cublasStatus_t make(T** to, char const* what) {
  if (auto const status = s.asked(what); status != CUBLAS_STATUS_SUCCESS) return status;
  *to = reinterpret_cast<T*>(new std::uint64_t(0));
  s.objects.insert(*to), ++s.made, ++s.alive;
  return CUBLAS_STATUS_SUCCESS;
}
template <class T> cublasStatus_t end(T* p) {
  REQUIRE(s.objects.erase(p) == 1);
  delete reinterpret_cast<std::uint64_t*>(p);
  --s.alive;
  return CUBLAS_STATUS_SUCCESS;
}
template <class T> std::uint64_t& word(T* p) {
  REQUIRE(s.objects.count(p) == 1);
  return *reinterpret_cast<std::uint64_t*>(p);
}

cublasStatus_t create(cublasLtHandle_t* h) { return make(h, "create"); }
cublasStatus_t describe(cublasLtMatmulDesc_t* d, cublasComputeType_t, cudaDataType_t) { return make(d, "describe"); }
cublasStatus_t set(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t what, void const* from, std::size_t bytes) {
  if (what == CUBLASLT_MATMUL_DESC_BIAS_POINTER) std::memcpy(&word(d), from, bytes);
  return s.asked("set");
}
cublasStatus_t lay_out(cublasLtMatrixLayout_t* l, cudaDataType_t, std::uint64_t, std::uint64_t columns, std::int64_t) {
  auto const status = make(l, "lay_out");
  if (status == CUBLAS_STATUS_SUCCESS) word(*l) = columns;
  return status;
}
cublasStatus_t set_layout(cublasLtMatrixLayout_t l, cublasLtMatrixLayoutAttribute_t what, void const* from, std::size_t bytes) {
  REQUIRE((what == CUBLASLT_MATRIX_LAYOUT_COLS && bytes == sizeof(std::uint64_t)));
  std::memcpy(&word(l), from, bytes);
  return s.asked("set_layout");
}
cublasStatus_t prefer(cublasLtMatmulPreference_t* p) { return make(p, "prefer"); }
cublasStatus_t set_preference(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t, void const*, std::size_t) {
  word(p) = 1;
  return s.asked("set_preference");
}
/// Two algorithms, which know the rows that they were named for.
cublasStatus_t choose(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t x, cublasLtMatrixLayout_t y, cublasLtMatrixLayout_t,
                      cublasLtMatmulPreference_t, int room, cublasLtMatmulHeuristicResult_t* results, int* count) {
  ++s.chosen, s.rows_chosen.push_back(word(x));
  REQUIRE((word(x) == word(y) && room >= 2));
  for (int i = 0; i < 2; ++i) results[i].algo.data[0] = std::uint64_t(i), results[i].state = CUBLAS_STATUS_SUCCESS;
  *count = 2;
  return s.asked("choose");
}
cublasStatus_t check(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t x, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                     cublasLtMatmulAlgo_t const* a, cublasLtMatmulHeuristicResult_t* result) {
  ++s.checked;
  result->workspaceSize = 1024;
  return a->data[0] == 0 && word(x) <= s.refuses_up_to ? CUBLAS_STATUS_NOT_SUPPORTED : s.asked("check");
}
cublasStatus_t multiply(cublasLtHandle_t, cublasLtMatmulDesc_t d, void const*, void const*, cublasLtMatrixLayout_t, void const*, cublasLtMatrixLayout_t x, void const*,
                        void const*, cublasLtMatrixLayout_t, void*, cublasLtMatrixLayout_t y, cublasLtMatmulAlgo_t const* a, void*, std::size_t, cudaStream_t) {
  ++s.multiplied, s.algorithm = int(a->data[0]), s.x_rows = word(x), s.y_rows = word(y), s.bias = reinterpret_cast<void const*>(word(d));
  return s.refuses.count({s.x_rows, s.algorithm}) ? CUBLAS_STATUS_NOT_SUPPORTED : s.asked("multiply");
}

cuda::detail::library_functions const functions{create, end, describe, end, set, lay_out, end, set_layout, prefer, end, set_preference, choose, check, multiply};

template <class Out> cublasStatus_t product(cuda::detail::library_plans& plans, int rows, int outputs, int k, bool with_bias = false) {
  static float workspace[512];
  static Out bias[16];
  cuda::library_product<Out> p{{}, {}, {}, {}, {}, {workspace, 512}, rows, outputs, k};
  if (with_bias) p.bias = {bias, 16};
  auto const status = plans.multiply(0, nullptr, p);
  if (status == CUBLAS_STATUS_SUCCESS) {
    CHECK((s.x_rows == std::uint64_t(rows) && s.y_rows == std::uint64_t(rows)));
    if (with_bias) CHECK(s.bias == bias);
  }
  return status;
}

}  // namespace

TEST_CASE("library plans: an algorithm for the rows up to each power of two, chosen beforehand") {
  s = {};
  {
    cuda::detail::library_plans plans(functions);
    REQUIRE(plans.prepare(0, {.outputs = 64, .k = 128, .most_rows = 2049, .bias = true}, 2048) == CUBLAS_STATUS_SUCCESS);
    CHECK(s.rows_chosen == std::vector<std::uint64_t>{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096});
    long const made = s.made;
    for (int rows = 1; rows <= 2049; rows += rows < 70 ? 1 : 61) REQUIRE(product<bf16>(plans, rows, 64, 128, true) == CUBLAS_STATUS_SUCCESS);
    CHECK((s.chosen == 13 && s.made == made));   // nothing more was asked or made
    // Another kind of product: by outputs, by k, by what is stored, without a bias.
    int kinds = 0;
    using all = cuda::detail::library_plans&;
    for (auto f : {+[](all p) { return product<bf16>(p, 3, 65, 128, true); }, +[](all p) { return product<bf16>(p, 3, 64, 136, true); },
                   +[](all p) { return product<float>(p, 3, 64, 128, true); }, +[](all p) { return product<bf16>(p, 3, 64, 128); }}) {
      REQUIRE(f(plans) == CUBLAS_STATUS_SUCCESS);
      REQUIRE(f(plans) == CUBLAS_STATUS_SUCCESS);
      CHECK(s.chosen == 13 + ++kinds);
    }
    CHECK(plans.multiply(0, nullptr, cuda::library_product<bf16>{{}, {}, {}, {}, {}, {}, 0, 64, 128}) == CUBLAS_STATUS_SUCCESS);   // no rows: no product
    CHECK(s.multiplied == 2 * kinds + 70 - 1 + (2049 - 70) / 61 + 1);
  }
  CHECK(s.alive == 0);   // handles, descriptions, layouts and preferences
}

TEST_CASE("library plans: an algorithm takes all rows of its range") {
  s = {};
  s.refuses_up_to = 33;   // the first: not 33, so not the range of 33 to 64
  cuda::detail::library_plans plans(functions);
  REQUIRE(plans.prepare(0, {.outputs = 64, .k = 128, .most_rows = 128}, 2048) == CUBLAS_STATUS_SUCCESS);
  for (auto [rows, algorithm] : {std::pair{1, 1}, {32, 1}, {33, 1}, {64, 1}, {65, 0}, {128, 0}}) {
    CAPTURE(rows);
    REQUIRE(product<bf16>(plans, rows, 64, 128) == CUBLAS_STATUS_SUCCESS);
    CHECK(s.algorithm == algorithm);
  }
  CHECK(plans.prepare(0, {.outputs = 72, .k = 128, .most_rows = 1}, 1023) == CUBLAS_STATUS_NOT_SUPPORTED);   // all want more workspace
}

TEST_CASE("library plans: rows that an algorithm refuses between those that were checked have the next one, and always") {
  s = {};
  s.refuses = {{40, 0}, {50, 0}, {50, 1}};
  cuda::detail::library_plans plans(functions);
  REQUIRE(plans.prepare(0, {.outputs = 64, .k = 128, .most_rows = 64}, 2048) == CUBLAS_STATUS_SUCCESS);
  long const made = s.made, chosen = s.chosen, checked = s.checked;
  for (int again = 0; again < 2; ++again)
    for (auto [rows, algorithm] : {std::pair{39, 0}, {40, 1}, {41, 0}, {64, 0}, {33, 0}, {40, 1}}) {
      CAPTURE(rows);
      REQUIRE(product<bf16>(plans, rows, 64, 128) == CUBLAS_STATUS_SUCCESS);
      CHECK(s.algorithm == algorithm);
    }
  CHECK(product<bf16>(plans, 50, 64, 128) == CUBLAS_STATUS_NOT_SUPPORTED);   // by all
  CHECK(product<bf16>(plans, 51, 64, 128) == CUBLAS_STATUS_SUCCESS);
  long const multiplied = s.multiplied;
  s.fails = "multiply", s.failures = 1;   // for the moment: the next algorithm is not asked, which would give these rows other bits
  CHECK(product<bf16>(plans, 39, 64, 128) == CUBLAS_STATUS_ALLOC_FAILED);
  CHECK((s.algorithm == 0 && s.multiplied == multiplied + 1));
  CHECK((s.made == made && s.chosen == chosen && s.checked == checked));
}

TEST_CASE("library plans: what fails is tried again, and leaves nothing") {
  for (char const* what : {"create", "describe", "set", "lay_out", "set_layout", "prefer", "set_preference", "choose", "check", "multiply"}) {
    CAPTURE(what);
    s = {};
    {
      cuda::detail::library_plans plans(functions);
      bool const in_the_call = std::string("multiply") == what, asked_first = std::string("choose") == what || std::string("check") == what;
      s.fails = what, s.failures = 1 + (std::string("check") == what);   // of both algorithms
      CHECK(product<bf16>(plans, 5, 64, 128, true) != CUBLAS_STATUS_SUCCESS);
      CHECK(s.failures == 0);
      if (!in_the_call) CHECK(s.alive == (std::string("create") != what));   // the handle at most
      for (int again = 0; again < 2; ++again) REQUIRE(product<bf16>(plans, 5, 64, 128, true) == CUBLAS_STATUS_SUCCESS);
      CHECK(s.chosen == 1 + asked_first);
      // A range that cannot be chosen leaves the others of its kind.
      s.fails = "choose", s.failures = 1;
      CHECK(product<bf16>(plans, 100, 64, 128, true) == CUBLAS_STATUS_ALLOC_FAILED);
      CHECK(product<bf16>(plans, 5, 64, 128, true) == CUBLAS_STATUS_SUCCESS);
      CHECK(product<bf16>(plans, 100, 64, 128, true) == CUBLAS_STATUS_SUCCESS);
    }
    CHECK(s.alive == 0);
  }
  s = {};
  s.fails = "choose", s.failures = 1;
  cuda::detail::library_plans plans(functions);
  CHECK(plans.prepare(0, {.outputs = 64, .k = 128, .most_rows = 4}, 2048) == CUBLAS_STATUS_ALLOC_FAILED);
  CHECK(plans.prepare(0, {.outputs = 64, .k = 128, .most_rows = 4}, 2048) == CUBLAS_STATUS_SUCCESS);
}
