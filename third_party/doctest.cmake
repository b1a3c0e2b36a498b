# doctest: the test framework, and its CMake module that registers each TEST_CASE with CTest.
find_package(doctest ${TSUGI_OLDEST_DOCTEST} QUIET)
if(doctest_FOUND)
  add_library(tsugi_dep_doctest ALIAS doctest::doctest)
  set(TSUGI_DOCTEST_MODULE_DIR ${doctest_DIR})
else()
  tsugi_download(doctest doctest-dev
    https://github.com/doctest/doctest/archive/v2.4.9.tar.gz
    19b2df757f2f3703a5e63cee553d85596875f06d91a3333acd80a969ef210856)
  add_library(tsugi_dep_doctest INTERFACE)
  target_include_directories(tsugi_dep_doctest SYSTEM INTERFACE ${doctest_SOURCE_DIR})
  set(TSUGI_DOCTEST_MODULE_DIR ${doctest_SOURCE_DIR}/scripts/cmake)
endif()
