# nlohmann-json: JSON, inside .cpp files only.
find_package(nlohmann_json ${TSUGI_OLDEST_JSON} QUIET)
if(nlohmann_json_FOUND)
  add_library(tsugi_dep_json ALIAS nlohmann_json::nlohmann_json)
else()
  tsugi_download(nlohmann_json nlohmann-json3-dev
    https://github.com/nlohmann/json/archive/refs/tags/v3.11.2.tar.gz
    d69f9deb6a75e2580465c6c4c5111b89c4dc2fa94e3a85fcd2ffcd9a143d9273)
  add_library(tsugi_dep_json INTERFACE)
  target_include_directories(tsugi_dep_json SYSTEM INTERFACE ${nlohmann_json_SOURCE_DIR}/single_include)
endif()
