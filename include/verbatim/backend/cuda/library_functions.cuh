// What is called of cuBLASLt, found at run time, and owners of what it makes. Plain host code: any compiler reads it where cublasLt.h is.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

#include <cublasLt.h>
#include <dlfcn.h>

namespace verbatim::cuda::detail {

struct library_functions {
  decltype(::cublasLtCreate)* create = nullptr;
  decltype(::cublasLtDestroy)* destroy = nullptr;
  decltype(::cublasLtMatmulDescCreate)* describe = nullptr;
  decltype(::cublasLtMatmulDescDestroy)* end_description = nullptr;
  decltype(::cublasLtMatmulDescSetAttribute)* set = nullptr;
  decltype(::cublasLtMatrixLayoutCreate)* lay_out = nullptr;
  decltype(::cublasLtMatrixLayoutDestroy)* end_layout = nullptr;
  decltype(::cublasLtMatrixLayoutSetAttribute)* set_layout = nullptr;
  decltype(::cublasLtMatmulPreferenceCreate)* prefer = nullptr;
  decltype(::cublasLtMatmulPreferenceDestroy)* end_preference = nullptr;
  decltype(::cublasLtMatmulPreferenceSetAttribute)* set_preference = nullptr;
  decltype(::cublasLtMatmulAlgoGetHeuristic)* choose = nullptr;
  decltype(::cublasLtMatmulAlgoCheck)* check = nullptr;
  decltype(::cublasLtMatmul)* multiply = nullptr;

  /// Whether all of them are there. The library is never closed: CUDA may be gone before statics are.
  bool load() {
    void* at = nullptr;
    for (char const* name : {"libcublasLt.so.13", "libcublasLt.so.12"})
      if (!at) at = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    auto const find = [&](auto*& f, char const* name) { return (f = reinterpret_cast<std::remove_reference_t<decltype(f)>>(::dlsym(at, name))) != nullptr; };
    return at && find(create, "cublasLtCreate") && find(destroy, "cublasLtDestroy") && find(describe, "cublasLtMatmulDescCreate") &&
           find(end_description, "cublasLtMatmulDescDestroy") && find(set, "cublasLtMatmulDescSetAttribute") && find(lay_out, "cublasLtMatrixLayoutCreate") &&
           find(end_layout, "cublasLtMatrixLayoutDestroy") && find(set_layout, "cublasLtMatrixLayoutSetAttribute") &&
           find(prefer, "cublasLtMatmulPreferenceCreate") && find(end_preference, "cublasLtMatmulPreferenceDestroy") &&
           find(set_preference, "cublasLtMatmulPreferenceSetAttribute") && find(choose, "cublasLtMatmulAlgoGetHeuristic") &&
           find(check, "cublasLtMatmulAlgoCheck") && find(multiply, "cublasLtMatmul");
  }
};

constexpr bool good(cublasStatus_t s) { return s == CUBLAS_STATUS_SUCCESS; }
/// s, or what `next` gives where s is good.
template <class F> cublasStatus_t then(cublasStatus_t s, F&& next) { return good(s) ? next() : s; }

/// Something that the library made, and destroys.
template <class T> struct library_end {
  cublasStatus_t (*end)(T*) = nullptr;
  void operator()(T* p) const noexcept { end(p); }
};
template <class T> using library_owned = std::unique_ptr<T, library_end<T>>;
template <class T, class... A> cublasStatus_t make(library_owned<T>& to, cublasStatus_t (*make)(T**, A...), cublasStatus_t (*end)(T*), std::type_identity_t<A>... with) {
  T* p = nullptr;
  cublasStatus_t const s = make(&p, with...);
  if (good(s)) to = {p, {end}};
  return s;
}

}  // namespace verbatim::cuda::detail
