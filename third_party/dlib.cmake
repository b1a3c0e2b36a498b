# dlib: finds faces (--crop face) with the detector that its headers carry, so that no model is downloaded. Optional: the
# build links engine/data/no_face_detector.cpp where it is missing. Found by header and library: the package's own CMake
# file would also demand BLAS, LAPACK, PNG, JPEG and SQLite, of which nothing here is used. A static libtsugi takes from
# the static library what it needs, 20 kB. No download: there is no part of dlib small enough.
option(TSUGI_USE_DLIB "Find faces where dlib is found" ON)
set(TSUGI_HAVE_DLIB 0)
if(TSUGI_USE_DLIB)
  set(names libdlib.a dlib)
  if(BUILD_SHARED_LIBS)  # Debian's static library is no code for shared ones
    set(names dlib)
  endif()
  find_path(TSUGI_DLIB_INCLUDE_DIR dlib/image_processing/frontal_face_detector.h)
  find_library(TSUGI_DLIB_LIBRARY NAMES ${names})
  if(TSUGI_DLIB_INCLUDE_DIR AND TSUGI_DLIB_LIBRARY)
    add_library(tsugi_dep_dlib INTERFACE)
    target_include_directories(tsugi_dep_dlib SYSTEM INTERFACE ${TSUGI_DLIB_INCLUDE_DIR})
    target_link_libraries(tsugi_dep_dlib INTERFACE ${TSUGI_DLIB_LIBRARY})
    list(APPEND TSUGI_INSTALLED_LINKS ${TSUGI_DLIB_LIBRARY})
    set(TSUGI_HAVE_DLIB 1)
  else()
    message(STATUS "dlib: not found, building without --crop face (install libdlib-dev)")
  endif()
endif()
