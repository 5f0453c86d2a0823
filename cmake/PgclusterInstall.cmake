# What `cmake --install` puts where: the components are the packages that PgclusterPackages makes of them.
include(CMakePackageConfigHelpers)
set(pgcluster_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pgcluster)
get_target_property(pgcluster_type pgcluster TYPE)

install(TARGETS pgcluster EXPORT pgclusterTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT pgcluster_library NAMELINK_COMPONENT pgcluster_development
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT pgcluster_development
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/libpgcluster/include/pgcluster DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT pgcluster_development)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libpgcluster${PGCLUSTER_SOVERSION} RENAME copyright COMPONENT pgcluster_library)

# find_package(pgcluster)
install(EXPORT pgclusterTargets NAMESPACE pgcluster:: DESTINATION ${pgcluster_cmake_dir} COMPONENT pgcluster_development)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/pgclusterConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/pgclusterConfig.cmake
  INSTALL_DESTINATION ${pgcluster_cmake_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/pgclusterConfigVersion.cmake COMPATIBILITY ${PGCLUSTER_COMPATIBILITY})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/pgclusterConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/pgclusterConfigVersion.cmake
  DESTINATION ${pgcluster_cmake_dir} COMPONENT pgcluster_development)

# pkg-config pgcluster. Who links the shared library needs nothing but it. libssh2 is not among the required packages: its own .pc in Debian
# names a library (gpg-error) that neither it needs nor its package brings.
if(pgcluster_type STREQUAL "STATIC_LIBRARY")
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/FindLibssh2.cmake DESTINATION ${pgcluster_cmake_dir} COMPONENT pgcluster_development)
  set(pgcluster_pc_private "Requires.private: fmt, yaml-cpp, libcrypto\nLibs.private: -lssh2 -lcurl -pthread\n")
endif()
file(RELATIVE_PATH pgcluster_pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH pgcluster_pc_include ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(${PROJECT_SOURCE_DIR}/cmake/pgcluster.pc.in ${CMAKE_CURRENT_BINARY_DIR}/pgcluster.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/pgcluster.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT pgcluster_development)
