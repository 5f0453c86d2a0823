# Debian's libssh2 ships only a .pc file.
find_package(PkgConfig REQUIRED)
pkg_check_modules(Libssh2 REQUIRED IMPORTED_TARGET libssh2)
if(NOT TARGET Libssh2::Libssh2)
  add_library(Libssh2::Libssh2 ALIAS PkgConfig::Libssh2)
endif()
