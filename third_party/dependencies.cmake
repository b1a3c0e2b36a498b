# The dependencies, one file each: the system's package first, otherwise a pinned download. README.md says why each was
# chosen. Each file defines one target, tsugi_dep_<name>, for the build, and adds what an installed static libtsugi must
# be linked with to TSUGI_INSTALLED_LINKS.
option(TSUGI_DOWNLOAD "Download the dependencies that the system does not have (pinned by SHA-256)" ON)
include(FetchContent)
if(POLICY CMP0135)
  cmake_policy(SET CMP0135 NEW)  # extracted files get the time of extraction
endif()

set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)   # option() in a download keeps what is set here
set(CMAKE_POLICY_VERSION_MINIMUM 3.5)  # downloads that are older than CMake 4

# Downloads an archive and sets <name>_SOURCE_DIR; adds nothing to the build (no such SOURCE_SUBDIR exists).
macro(tsugi_download name package url sha256)
  if(NOT TSUGI_DOWNLOAD)
    message(FATAL_ERROR "${name} not found: install ${package}, or allow a download with -DTSUGI_DOWNLOAD=ON")
  endif()
  message(STATUS "${name}: not on this system, taking ${url}")
  FetchContent_Declare(${name} URL ${url} URL_HASH SHA256=${sha256} SOURCE_SUBDIR none)
  FetchContent_MakeAvailable(${name})
  string(TOLOWER ${name} lower_name)
  set(${name}_SOURCE_DIR ${${lower_name}_SOURCE_DIR})
endmacro()

# A static library that was built here is installed beside libtsugi, so that a static libtsugi can be linked.
macro(tsugi_install_static name file)
  set(dir ${CMAKE_INSTALL_LIBDIR}/tsugi)
  install(FILES ${file} DESTINATION ${dir} RENAME lib${name}.a)
  list(APPEND TSUGI_INSTALLED_LINKS $<INSTALL_PREFIX>/${dir}/lib${name}.a)
endmacro()

set(TSUGI_INSTALLED_LINKS -pthread)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
list(APPEND TSUGI_INSTALLED_LINKS ${OpenMP_CXX_FLAGS})
find_package(PkgConfig)

include(third_party/stb.cmake)
include(third_party/nlohmann_json.cmake)
include(third_party/libarchive.cmake)
include(third_party/openssl.cmake)
include(third_party/libexif.cmake)
include(third_party/onednn.cmake)
include(third_party/boost_context.cmake)
include(third_party/cuda.cmake)
if(TSUGI_BUILD_TOOLS)
  include(third_party/cli11.cmake)
endif()
if(TSUGI_BUILD_TESTS)
  include(third_party/doctest.cmake)
endif()
if(TSUGI_BUILD_BENCH)
  include(third_party/benchmark.cmake)
endif()

set(TSUGI_DEPS tsugi_dep_stb tsugi_dep_json tsugi_dep_archive tsugi_dep_crypto tsugi_dep_exif
  OpenMP::OpenMP_CXX Threads::Threads)
if(TSUGI_HAVE_ONEDNN)
  list(APPEND TSUGI_DEPS tsugi_dep_onednn)
endif()
if(TSUGI_HAVE_SIMT)
  list(APPEND TSUGI_DEPS tsugi_dep_boost_context)
endif()
if(TSUGI_CUDA)
  list(APPEND TSUGI_DEPS CUDA::cudart_static)
endif()
if(TSUGI_HAVE_CUDNN)
  list(APPEND TSUGI_DEPS tsugi_dep_cudnn)
endif()
