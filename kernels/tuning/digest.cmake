# Writes OUTPUT, which defines tsugi::kernels_digest(), from the sources under SOURCE and the text BUILD (compilers and flags).
cmake_minimum_required(VERSION 3.22)
file(GLOB_RECURSE files RELATIVE ${SOURCE} ${SOURCE}/*.h ${SOURCE}/*.cpp ${SOURCE}/*.cu ${SOURCE}/*.inc)
list(FILTER files EXCLUDE REGEX "^ptx/")  # no kernel is made of it
list(SORT files)
set(text "${BUILD}\n")
foreach(name IN LISTS files)
  file(SHA256 ${SOURCE}/${name} digest)
  string(APPEND text "${name} ${digest}\n")
endforeach()
string(SHA256 digest "${text}")
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT "// Written by kernels/tuning/digest.cmake.
#include \"kernels/tuning/digest.h\"

namespace tsugi {

const char* kernels_digest() { return \"@digest@\"; }

}  // namespace tsugi
")
