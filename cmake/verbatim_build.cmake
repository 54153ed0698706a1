# How this project's own programs and tests are compiled; nothing here reaches a consumer.
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # ccache remembers what uses precompiled headers only where it is told that __TIME__ in them does not matter, besides what it is told anyway.
  set(sloppiness pch_defines,time_macros)
  if(DEFINED ENV{CCACHE_SLOPPINESS})
    string(APPEND sloppiness ",$ENV{CCACHE_SLOPPINESS}")
  endif()
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_SLOPPINESS=${sloppiness}" "${CCACHE}")
endif()

add_library(verbatim_options INTERFACE)
target_compile_options(verbatim_options INTERFACE -Wall -Wextra)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")   # collects its garbage only past 1 GiB: a sixth of an engine's compile time, for a quarter more memory
  target_compile_options(verbatim_options INTERFACE --param=ggc-min-heapsize=1048576)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(verbatim_options INTERFACE -Wno-maybe-uninitialized -Wno-restrict)  # GCC bugs 105593 (AVX512 intrinsics) and 105329 (std::string)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")   # a precompiled header that a cache brings back is older than what it was made of
  target_compile_options(verbatim_options INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
endif()
if(VERBATIM_WERROR)
  target_compile_options(verbatim_options INTERFACE -Werror)
endif()
if(VERBATIM_NATIVE)
  target_compile_options(verbatim_options INTERFACE -march=native)
endif()
if(VERBATIM_SANITIZE)
  target_compile_options(verbatim_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(verbatim_options INTERFACE -fsanitize=address,undefined)
endif()

# verbatim_build: the same, and what is no template compiled once instead of in every unit that uses it.
file(GLOB bodies CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/separate/*.cpp")
add_library(verbatim_separate STATIC EXCLUDE_FROM_ALL ${bodies})   # for what links it
target_compile_definitions(verbatim_separate PUBLIC VERBATIM_SEPARATE_COMPILATION=1)
target_link_libraries(verbatim_separate PRIVATE verbatim_options PUBLIC verbatim::serve)
add_library(verbatim_build INTERFACE)
target_link_libraries(verbatim_build INTERFACE verbatim_options verbatim_separate)

# emulated_kernels: the kernels of GPUs for the emulator, for programs with emulated engines. They are tested, not measured.
file(GLOB bodies CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/separate/emulated/*.cpp")
add_library(emulated_kernels STATIC EXCLUDE_FROM_ALL ${bodies})
target_link_libraries(emulated_kernels PRIVATE verbatim_build PUBLIC verbatim::verbatim)
target_compile_options(emulated_kernels PRIVATE $<$<CONFIG:Release>:-O2>)
