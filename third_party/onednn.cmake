# oneDNN: convolution, matrix product and pooling on CPUs. Optional: without it the reference backend is used, with a
# warning at run time. Found by header and library: the package's own CMake file would also demand OpenCL, which nothing
# here needs. It is downloaded only when asked for: it takes longer to build than everything else together.
option(TSUGI_DOWNLOAD_ONEDNN "Download and build oneDNN where the system has none (about half an hour)" OFF)
set(TSUGI_HAVE_ONEDNN 0)
if(TSUGI_USE_ONEDNN)
  find_path(TSUGI_ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
  find_library(TSUGI_ONEDNN_LIBRARY dnnl)
  if(TSUGI_ONEDNN_INCLUDE_DIR AND TSUGI_ONEDNN_LIBRARY)
    add_library(tsugi_dep_onednn INTERFACE)
    target_include_directories(tsugi_dep_onednn SYSTEM INTERFACE ${TSUGI_ONEDNN_INCLUDE_DIR})
    target_link_libraries(tsugi_dep_onednn INTERFACE ${TSUGI_ONEDNN_LIBRARY})
    list(APPEND TSUGI_INSTALLED_LINKS ${TSUGI_ONEDNN_LIBRARY})
    set(TSUGI_HAVE_ONEDNN 1)
  elseif(TSUGI_DOWNLOAD_ONEDNN)
    tsugi_download(onednn libdnnl-dev
      https://github.com/oneapi-src/oneDNN/archive/v2.7.3.tar.gz
      a50993aa6265b799b040fe745e0010502f9f7103cc53a9525d59646aef006633)
    foreach(part EXAMPLES TESTS)
      set(DNNL_BUILD_${part} OFF CACHE BOOL "" FORCE)
    endforeach()
    set(DNNL_LIBRARY_TYPE STATIC CACHE STRING "" FORCE)
    add_subdirectory(${onednn_SOURCE_DIR} ${onednn_BINARY_DIR} EXCLUDE_FROM_ALL)
    add_library(tsugi_dep_onednn INTERFACE)
    target_include_directories(tsugi_dep_onednn SYSTEM INTERFACE
      ${onednn_SOURCE_DIR}/include ${onednn_BINARY_DIR}/include)
    target_link_libraries(tsugi_dep_onednn INTERFACE dnnl)
    tsugi_install_static(dnnl $<TARGET_FILE:dnnl>)
    set(TSUGI_HAVE_ONEDNN 1)
  else()
    message(STATUS "oneDNN: not found, building with the reference backend only (install libdnnl-dev for speed)")
  endif()
endif()
