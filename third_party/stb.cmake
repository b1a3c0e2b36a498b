# stb: single-header image reading, writing and resizing.
find_path(TSUGI_STB_INCLUDE_DIR stb/stb_image.h)
add_library(tsugi_dep_stb INTERFACE)
if(TSUGI_STB_INCLUDE_DIR)
  target_include_directories(tsugi_dep_stb SYSTEM INTERFACE ${TSUGI_STB_INCLUDE_DIR})
else()
  tsugi_download(stb libstb-dev
    https://github.com/nothings/stb/archive/8b5f1f37b5b75829fc72d38e7b5d4bcbf8a26d55.zip
    93a16ee3e866e719feec459f6f132cce932c5ec751eb38e3ec1975f911353d2e)
  # The headers lie at the top of the archive; the code says #include <stb/stb_image.h>.
  file(GLOB headers ${stb_SOURCE_DIR}/stb_image*.h)
  file(COPY ${headers} DESTINATION ${PROJECT_BINARY_DIR}/third_party/stb)
  target_include_directories(tsugi_dep_stb SYSTEM INTERFACE ${PROJECT_BINARY_DIR}/third_party)
endif()
