# cmake --build … --target docs: the public headers as HTML (and XML, for the tests). A warning of Doxygen's is an error.
find_program(PGCLUSTER_DOXYGEN doxygen)
if(PGCLUSTER_DOXYGEN)
  set(pgcluster_docs ${PROJECT_BINARY_DIR}/docs)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/Doxyfile.in ${PROJECT_BINARY_DIR}/Doxyfile @ONLY)
  add_custom_target(docs
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${pgcluster_docs}
    COMMAND ${PGCLUSTER_DOXYGEN} ${PROJECT_BINARY_DIR}/Doxyfile
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM
    COMMENT "Documentation: ${pgcluster_docs}/html/index.html")
endif()
