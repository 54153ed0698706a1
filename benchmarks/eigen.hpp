// Eigen, which some benchmarks stand beside: WITH_EIGEN is 1 where it is installed. Include it first: the warnings that it turns off are
// given where templates are instantiated.
#pragma once
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12's own AVX-512 header, through Eigen
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#if __has_include(<eigen3/Eigen/Core>)
#include <eigen3/Eigen/Core>
#define WITH_EIGEN 1
#else
#define WITH_EIGEN 0
#endif
