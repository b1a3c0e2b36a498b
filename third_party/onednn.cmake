# oneDNN: convolution, matrix product and pooling on CPUs. Optional: without it the reference backend is used, with a
# warning at run time. Found by header and library: the package's own CMake file would also demand OpenCL, which nothing
# here needs. It is downloaded only when asked for: it takes longer to build than everything else together.
# kernels/cpu/onednn_cache.h takes the interfaces of 2.x and 3.x.

# Stops where the headers' version is not one that the code is written for, or the library is another version's.
function(tsugi_check_onednn)
  set(way_out "install another (TSUGI_ONEDNN_INCLUDE_DIR and TSUGI_ONEDNN_LIBRARY say where), or build without it and "
    "slowly: cmake -DTSUGI_USE_ONEDNN=OFF ...")
  set(header ${TSUGI_ONEDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h)
  set(version)
  if(EXISTS ${header})
    file(STRINGS ${header} lines REGEX "^#define DNNL_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
    string(REGEX MATCHALL "[0-9]+" version "${lines}")
  endif()
  if(NOT version)
    tsugi_stop("oneDNN: ${header} does not tell its version: ${way_out}")
  endif()
  list(GET version 0 major)
  list(JOIN version "." version)
  if(version VERSION_LESS TSUGI_OLDEST_ONEDNN)
    tsugi_stop("oneDNN ${version} (${header}) is too old, ${TSUGI_OLDEST_ONEDNN} is the oldest: ${way_out}")
  elseif(major GREATER TSUGI_NEWEST_ONEDNN)
    tsugi_stop("oneDNN ${version} (${header}) is newer than this code, which knows "
      "${TSUGI_OLDEST_ONEDNN} to ${TSUGI_NEWEST_ONEDNN}.x: ${way_out}")
  endif()

  # A call that only the headers' own major version has.
  set(CMAKE_REQUIRED_INCLUDES ${TSUGI_ONEDNN_INCLUDE_DIR})
  set(CMAKE_REQUIRED_LIBRARIES ${TSUGI_ONEDNN_LIBRARY} OpenMP::OpenMP_CXX Threads::Threads)
  set(call dnnl_convolution_forward_primitive_desc_create)
  if(major LESS 3)
    set(call dnnl_convolution_forward_desc_init)
  endif()
  string(MAKE_C_IDENTIFIER "TSUGI_ONEDNN_FITS_${version}_${TSUGI_ONEDNN_LIBRARY}" fits)
  check_cxx_source_compiles("#include <oneapi/dnnl/dnnl.hpp>
    int main() { void* volatile call = reinterpret_cast<void*>(&${call}); return call == nullptr; }" ${fits})
  if(NOT ${fits})
    file(REAL_PATH ${TSUGI_ONEDNN_LIBRARY} library)
    tsugi_stop("oneDNN: the headers are ${version} (${header}), the library is another version or does not link "
      "(${library}): ${way_out}")
  endif()
  message(STATUS "oneDNN ${version}: ${TSUGI_ONEDNN_LIBRARY}")
endfunction()

include(CheckCXXSourceCompiles)
option(TSUGI_DOWNLOAD_ONEDNN "Download and build oneDNN where the system has none (about half an hour)" OFF)
set(TSUGI_HAVE_ONEDNN 0)
if(TSUGI_USE_ONEDNN)
  find_path(TSUGI_ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
  find_library(TSUGI_ONEDNN_LIBRARY dnnl)
  if(TSUGI_ONEDNN_INCLUDE_DIR AND TSUGI_ONEDNN_LIBRARY)
    tsugi_check_onednn()
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
