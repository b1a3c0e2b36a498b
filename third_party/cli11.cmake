# CLI11: the command line.
find_package(CLI11 ${TSUGI_OLDEST_CLI11} QUIET)
if(CLI11_FOUND)
  add_library(tsugi_dep_cli11 ALIAS CLI11::CLI11)
else()
  tsugi_download(cli11 libcli11-dev
    https://github.com/CLIUtils/CLI11/archive/v2.1.2.tar.gz
    26291377e892ba0e5b4972cdfd4a2ab3bf53af8dac1f4ea8fe0d1376b625c8cb)
  add_library(tsugi_dep_cli11 INTERFACE)
  target_include_directories(tsugi_dep_cli11 SYSTEM INTERFACE ${cli11_SOURCE_DIR}/include)
endif()
