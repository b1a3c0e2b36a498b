# libarchive: reads and writes bundles (.tar) as a stream. A download is built without any compression or encryption
# library: a bundle is a plain tar.
find_package(LibArchive QUIET)
if(LibArchive_FOUND)
  add_library(tsugi_dep_archive ALIAS LibArchive::LibArchive)
  list(APPEND TSUGI_INSTALLED_LINKS ${LibArchive_LIBRARIES})
else()
  tsugi_download(libarchive libarchive-dev
    https://github.com/libarchive/libarchive/releases/download/v3.6.2/libarchive-3.6.2.tar.xz
    9e2c1b80d5fbe59b61308fdfab6c79b5021d7ff4ff2489fb12daf0a96a83551d)
  foreach(feature NETTLE OPENSSL LIBB2 LZ4 LZO LZMA ZSTD ZLIB BZip2 LIBXML2 EXPAT PCREPOSIX LIBGCC CNG ICONV ACL XATTR
          TAR CPIO CAT TEST INSTALL)
    set(ENABLE_${feature} OFF)
  endforeach()
  set(ENABLE_WERROR OFF)
  add_subdirectory(${libarchive_SOURCE_DIR} ${libarchive_BINARY_DIR} EXCLUDE_FROM_ALL)
  add_library(tsugi_dep_archive INTERFACE)
  target_include_directories(tsugi_dep_archive SYSTEM INTERFACE ${libarchive_SOURCE_DIR}/libarchive)
  target_link_libraries(tsugi_dep_archive INTERFACE archive_static)
  tsugi_install_static(archive $<TARGET_FILE:archive_static>)
endif()
