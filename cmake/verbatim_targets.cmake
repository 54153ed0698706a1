# The two targets that users link:
#   verbatim::verbatim   the library for hosts: generator, scorer, tokenizers (JSON, PCRE2, threads)
#   verbatim::serve      the same and the HTTP transport (adds Boost)
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 CONFIG REQUIRED)
find_package(PCRE2 REQUIRED)

add_library(verbatim INTERFACE)
add_library(verbatim::verbatim ALIAS verbatim)
target_compile_features(verbatim INTERFACE cxx_std_20)
target_include_directories(verbatim INTERFACE
  $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
target_link_libraries(verbatim INTERFACE nlohmann_json::nlohmann_json PCRE2::8BIT Threads::Threads)

find_package(Boost 1.74)
if(Boost_FOUND)
  add_library(verbatim_serve INTERFACE)
  add_library(verbatim::serve ALIAS verbatim_serve)
  set_target_properties(verbatim_serve PROPERTIES EXPORT_NAME serve)
  target_link_libraries(verbatim_serve INTERFACE verbatim Boost::headers)
elseif(PROJECT_IS_TOP_LEVEL)
  message(FATAL_ERROR "Boost >= 1.74 is needed for the server (Debian: apt install libboost-dev)")
endif()
