// wgmma.mma_async.m64nNk16 of bf16 into f32 with both operands in shared memory, for the N that kernels use (PTX ISA 9.0, 9.7.15.5.2).
// Operands are numbered, so lists are spelled out; the predicate is scale-d: false takes the accumulator for zero. The last four are
// the signs of a and b, +1, and no transposition: k is contiguous in both.
#pragma once
#include <cstdint>

#define VERBATIM_D8(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define VERBATIM_D32(i) VERBATIM_D8(i), VERBATIM_D8(i + 8), VERBATIM_D8(i + 16), VERBATIM_D8(i + 24)
#define VERBATIM_N0 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define VERBATIM_N1 \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define VERBATIM_N2 \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define VERBATIM_N3 \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define VERBATIM_WGMMA(n, numbers, a, b, add) \
  "{\n .reg .pred p;\n setp.ne.b32 p, " add ", 0;\n wgmma.mma_async.sync.aligned.m64n" n "k16.f32.bf16.bf16 {" numbers "}, " a ", " b ", p, 1, 1, 0, 0;\n}"

namespace verbatim::simt {

__device__ __forceinline__ void wgmma(float (&d)[4], std::uint64_t a, std::uint64_t b, bool add) {
  asm volatile(VERBATIM_WGMMA("8", "%0, %1, %2, %3", "%4", "%5", "%6") : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "l"(a), "l"(b), "r"(int(add)));
}
__device__ __forceinline__ void wgmma(float (&d)[8], std::uint64_t a, std::uint64_t b, bool add) {
  asm volatile(VERBATIM_WGMMA("16", "%0, %1, %2, %3, %4, %5, %6, %7", "%8", "%9", "%10") : VERBATIM_D8(0) : "l"(a), "l"(b), "r"(int(add)));
}
__device__ __forceinline__ void wgmma(float (&d)[16], std::uint64_t a, std::uint64_t b, bool add) {
  asm volatile(VERBATIM_WGMMA("32", "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15", "%16", "%17", "%18")
               : VERBATIM_D8(0), VERBATIM_D8(8) : "l"(a), "l"(b), "r"(int(add)));
}
__device__ __forceinline__ void wgmma(float (&d)[32], std::uint64_t a, std::uint64_t b, bool add) {
  asm volatile(VERBATIM_WGMMA("64", VERBATIM_N0, "%32", "%33", "%34") : VERBATIM_D32(0) : "l"(a), "l"(b), "r"(int(add)));
}
__device__ __forceinline__ void wgmma(float (&d)[64], std::uint64_t a, std::uint64_t b, bool add) {
  asm volatile(VERBATIM_WGMMA("128", VERBATIM_N0 ", " VERBATIM_N1, "%64", "%65", "%66") : VERBATIM_D32(0), VERBATIM_D32(32) : "l"(a), "l"(b), "r"(int(add)));
}
__device__ __forceinline__ void wgmma(float (&d)[128], std::uint64_t a, std::uint64_t b, bool add) {
  asm volatile(VERBATIM_WGMMA("256", VERBATIM_N0 ", " VERBATIM_N1 ", " VERBATIM_N2 ", " VERBATIM_N3, "%128", "%129", "%130")
               : VERBATIM_D32(0), VERBATIM_D32(32), VERBATIM_D32(64), VERBATIM_D32(96) : "l"(a), "l"(b), "r"(int(add)));
}

}  // namespace verbatim::simt

#undef VERBATIM_D8
#undef VERBATIM_D32
#undef VERBATIM_N0
#undef VERBATIM_N1
#undef VERBATIM_N2
#undef VERBATIM_N3
#undef VERBATIM_WGMMA
