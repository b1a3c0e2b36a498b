# libexif: the orientation that a camera wrote into a JPEG. A download is compiled here, from its few C files.
if(PkgConfig_FOUND)
  pkg_check_modules(TSUGI_LIBEXIF QUIET IMPORTED_TARGET libexif)
endif()
if(TSUGI_LIBEXIF_FOUND)
  add_library(tsugi_dep_exif ALIAS PkgConfig::TSUGI_LIBEXIF)
  list(APPEND TSUGI_INSTALLED_LINKS ${TSUGI_LIBEXIF_LINK_LIBRARIES})
else()
  tsugi_download(libexif "libexif-dev pkg-config"
    https://github.com/libexif/libexif/archive/libexif-0_6_24-release.tar.gz
    d3fb7c47829ec4d2def39aa38f4c35a0891763448a05dbf216a329a12bf198f9)
  file(GLOB_RECURSE sources ${libexif_SOURCE_DIR}/libexif/*.c)
  file(WRITE ${libexif_BINARY_DIR}/config.h "#define GETTEXT_PACKAGE \"libexif\"\n#define HAVE_LOCALTIME_R 1\n")
  add_library(tsugi_dep_exif STATIC ${sources})
  target_compile_options(tsugi_dep_exif PRIVATE -w)
  target_include_directories(tsugi_dep_exif SYSTEM PUBLIC ${libexif_SOURCE_DIR} PRIVATE ${libexif_BINARY_DIR})
  tsugi_install_static(exif $<TARGET_FILE:tsugi_dep_exif>)
endif()
