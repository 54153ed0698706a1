# Install rules: headers, and a package for find_package(verbatim CONFIG [COMPONENTS serve]).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/verbatim")

install(DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/include/verbatim" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")
install(TARGETS verbatim EXPORT verbatim_core)
install(EXPORT verbatim_core NAMESPACE verbatim:: FILE verbatim_core.cmake DESTINATION "${package_dir}")
if(TARGET verbatim_serve)
  install(TARGETS verbatim_serve EXPORT verbatim_serve)
  install(EXPORT verbatim_serve NAMESPACE verbatim:: FILE verbatim_serve.cmake DESTINATION "${package_dir}")
endif()
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/verbatim-config.cmake.in"
  "${CMAKE_CURRENT_BINARY_DIR}/verbatim-config.cmake" INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/verbatim-config-version.cmake"
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/verbatim-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/verbatim-config-version.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/FindPCRE2.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/verbatim_instantiate.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/verbatim_cuda.cmake"
  DESTINATION "${package_dir}")
