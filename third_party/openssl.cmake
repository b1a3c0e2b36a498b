# OpenSSL's libcrypto: SHA-256. A download is built by OpenSSL's own scripts (perl, make; some minutes).
find_package(OpenSSL QUIET COMPONENTS Crypto)
if(OpenSSL_FOUND)
  add_library(tsugi_dep_crypto ALIAS OpenSSL::Crypto)
  list(APPEND TSUGI_INSTALLED_LINKS ${OPENSSL_CRYPTO_LIBRARY})
else()
  tsugi_download(openssl libssl-dev
    https://github.com/openssl/openssl/releases/download/openssl-3.0.15/openssl-3.0.15.tar.gz
    23c666d0edf20f14249b3d8f0368acaee9ab585b09e1de82107c66e1f3ec9533)
  set(library ${openssl_BINARY_DIR}/libcrypto.a)
  include(ProcessorCount)
  ProcessorCount(cores)
  add_custom_command(OUTPUT ${library}
    COMMAND perl ${openssl_SOURCE_DIR}/Configure no-shared no-tests no-dso no-engine no-module
    COMMAND make -s -j${cores} build_generated libcrypto.a
    WORKING_DIRECTORY ${openssl_BINARY_DIR} VERBATIM COMMENT "Building OpenSSL's libcrypto")
  add_custom_target(tsugi_build_crypto DEPENDS ${library})
  add_library(tsugi_dep_crypto INTERFACE)
  add_dependencies(tsugi_dep_crypto tsugi_build_crypto)
  target_include_directories(tsugi_dep_crypto SYSTEM INTERFACE
    ${openssl_BINARY_DIR}/include ${openssl_SOURCE_DIR}/include)
  target_link_libraries(tsugi_dep_crypto INTERFACE ${library} ${CMAKE_DL_LIBS})
  tsugi_install_static(crypto ${library})
  list(APPEND TSUGI_INSTALLED_LINKS ${CMAKE_DL_LIBS})
endif()
