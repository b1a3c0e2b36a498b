# What the build needs at least: the one place of these versions. Included ahead of project(), so that what is too old or missing
# is the first thing said, and what to type. `cmake -P` runs it for tools/demo and tests/run, before they install anything.
set(TSUGI_OLDEST_CMAKE 3.22)
set(TSUGI_OLDEST_GNU 8)
set(TSUGI_OLDEST_CUDA 10.2)
set(TSUGI_OLDEST_CLI11 2.1)
set(TSUGI_OLDEST_JSON 3.9)
set(TSUGI_OLDEST_DOCTEST 2.4)
set(TSUGI_OLDEST_BENCHMARK 1.6)
set(TSUGI_OLDEST_LIBHEIF 1.15)  # says what is damaged, and how many threads it starts
set(TSUGI_OLDEST_ONEDNN 2.2)
set(TSUGI_NEWEST_ONEDNN 3)  # the next major version may change the interface, as 3.0 did
# The compilers whose warnings developers keep at none, Debian 12's. A newer one may warn of more: there no warning is an error.
set(TSUGI_NEWEST_GNU 12)
set(TSUGI_NEWEST_Clang 14)

# The text alone on a line of its own, as FATAL_ERROR would fold it in the middle of a command to type.
function(tsugi_stop)
  string(CONCAT text ${ARGV})
  message("${text}")
  message(FATAL_ERROR "stopped: see the line above")
endfunction()

if(CMAKE_VERSION VERSION_LESS TSUGI_OLDEST_CMAKE)
  tsugi_stop("CMake ${CMAKE_VERSION} is too old, ${TSUGI_OLDEST_CMAKE} is the oldest. PyPI has newer ones: "
    "python3 -m pip install --user --upgrade pip && python3 -m pip install --user cmake && export PATH=~/.local/bin:$PATH")
endif()

function(tsugi_check_programs)
  if(CMAKE_GENERATOR MATCHES "Ninja" AND NOT CMAKE_MAKE_PROGRAM)
    find_program(TSUGI_NINJA NAMES ninja-build ninja samu)
    if(NOT TSUGI_NINJA)
      tsugi_stop("There is no ninja, which the presets build with: sudo apt-get install ninja-build "
        "(or build with make and no preset: cmake -S . -B build && cmake --build build)")
    endif()
  endif()
  if(NOT CMAKE_CXX_COMPILER AND NOT CMAKE_TOOLCHAIN_FILE AND "$ENV{CXX}" STREQUAL "")
    find_program(TSUGI_ANY_CXX NAMES c++ g++ clang++)
    if(NOT TSUGI_ANY_CXX)
      tsugi_stop("There is no C++ compiler: sudo apt-get install g++")
    endif()
  endif()
endfunction()

# Behind project(). Of a compiler without an oldest version, CMake says whether it knows C++17.
function(tsugi_check_compiler)
  set(oldest "${TSUGI_OLDEST_${CMAKE_CXX_COMPILER_ID}}")
  if(oldest AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS oldest)
    tsugi_stop("${CMAKE_CXX_COMPILER} is ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}: too old, ${oldest} is the oldest. Beside it: "
      "sudo apt-get install g++-${oldest} && rm -r ${PROJECT_BINARY_DIR} && export CC=gcc-${oldest} CXX=g++-${oldest}, then the same again")
  endif()
endfunction()
