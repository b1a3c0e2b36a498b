# Boost.Context: the fibers of the emulator (kernels/simt), one a CUDA thread. Optional: without it the build has no
# --device simt. No download: its archive is only useful with a dozen other Boost libraries.
find_package(boost_context QUIET CONFIG)
set(TSUGI_HAVE_SIMT 0)
if(boost_context_FOUND)
  add_library(tsugi_dep_boost_context ALIAS Boost::context)
  list(APPEND TSUGI_INSTALLED_LINKS -lboost_context)
  set(TSUGI_HAVE_SIMT 1)
else()
  message(STATUS "Boost.Context: not found, building without the emulator (install libboost-context-dev)")
endif()
