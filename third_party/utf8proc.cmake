# utf8proc: one form of names that look the same. A download is compiled here, from its one C file.
if(PkgConfig_FOUND)
  pkg_check_modules(TSUGI_UTF8PROC QUIET IMPORTED_TARGET libutf8proc)
endif()
if(TSUGI_UTF8PROC_FOUND)
  add_library(tsugi_dep_utf8proc ALIAS PkgConfig::TSUGI_UTF8PROC)
  list(APPEND TSUGI_INSTALLED_LINKS ${TSUGI_UTF8PROC_LINK_LIBRARIES})
else()
  tsugi_download(utf8proc "libutf8proc-dev pkg-config"
    https://github.com/JuliaStrings/utf8proc/archive/refs/tags/v2.8.0.tar.gz
    a0a60a79fe6f6d54e7d411facbfcc867a6e198608f2cd992490e46f04b1bcecc)
  add_library(tsugi_dep_utf8proc STATIC ${utf8proc_SOURCE_DIR}/utf8proc.c)
  target_compile_definitions(tsugi_dep_utf8proc PUBLIC UTF8PROC_STATIC)
  target_compile_options(tsugi_dep_utf8proc PRIVATE -w)
  target_include_directories(tsugi_dep_utf8proc SYSTEM PUBLIC ${utf8proc_SOURCE_DIR})
  tsugi_install_static(utf8proc $<TARGET_FILE:tsugi_dep_utf8proc>)
endif()
