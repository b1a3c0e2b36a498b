# Compiler settings of every target of the project, as one interface target `tsugi_options` (never exported, never
# applied to third-party code), and ccache where it is installed.
find_program(TSUGI_CCACHE ccache)
if(TSUGI_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${TSUGI_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${TSUGI_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${TSUGI_CCACHE})
endif()

add_library(tsugi_options INTERFACE)
target_compile_options(tsugi_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual>)
set(newest "${TSUGI_NEWEST_${CMAKE_CXX_COMPILER_ID}}")
if(TSUGI_WERROR AND newest AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS_EQUAL "${newest}.999")
  target_compile_options(tsugi_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
elseif(TSUGI_WERROR)
  message(STATUS "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} is newer than ${newest}, or unknown: its warnings are no errors")
endif()

# nvcc: -Wpedantic and -Wshadow would complain of the code that it generates itself. -lineinfo is for compute-sanitizer
# and profilers and changes no instruction.
if(TSUGI_CUDA)
  target_compile_options(tsugi_options INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-lineinfo -Xcompiler=-Wall,-Wextra>)
  if(TSUGI_WERROR AND CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 11.0)
    target_compile_options(tsugi_options INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xcompiler=-Werror>)
  endif()
endif()

# NaN and infinity keep their meaning (a NaN loss must be seen); errno and floating-point traps are never looked at.
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
# -g1: the lines that a sanitizer's report names; variables would cost a quarter of the time to compile and half the bytes.
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")
set(CMAKE_C_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")
target_compile_options(tsugi_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-math-errno -fno-trapping-math>)
if(TSUGI_MARCH)
  target_compile_options(tsugi_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=${TSUGI_MARCH}>)
endif()

# std::filesystem is a library of its own in gcc 8, the last that CUDA 10.2 takes.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 9)
  target_link_libraries(tsugi_options INTERFACE stdc++fs)
  list(APPEND TSUGI_INSTALLED_LINKS -lstdc++fs)
endif()

if(TSUGI_SANITIZE)
  target_compile_options(tsugi_options INTERFACE -fsanitize=${TSUGI_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(tsugi_options INTERFACE -fsanitize=${TSUGI_SANITIZE})
  if(TSUGI_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Frames that AddressSanitizer keeps on the heap to see a use after return, the default since gcc 14's run time, have
    # 32 bytes of alignment, and the code stores AVX-512 vectors there as if they had 64: a crash in correct code.
    target_compile_options(tsugi_options INTERFACE "SHELL:--param asan-use-after-return=0")
  endif()
  if(TSUGI_SANITIZE MATCHES "address.*undefined")
    # A null pointer that is read or written, and what lies beyond an object, AddressSanitizer finds as well: to look for
    # them here too took a quarter of the time to compile. A reference to null that nobody reads is not seen.
    target_compile_options(tsugi_options INTERFACE -fno-sanitize=null,object-size)
  endif()
  if(TSUGI_SANITIZE MATCHES "undefined")
    # UBSan's tables are 3.3 million addresses, relocated at each start of a program that may lie anywhere. Measured,
    # `tsugi inspect faces-cnn`: 0.35 s, with fixed addresses 0.19 s; tests start the command line thousands of times.
    string(APPEND CMAKE_EXE_LINKER_FLAGS " -no-pie")
  endif()
endif()
target_compile_definitions(tsugi_options INTERFACE TSUGI_HAVE_ONEDNN=$<BOOL:${TSUGI_HAVE_ONEDNN}>)

# One line for `tsugi doctor` and for the provenance in result files.
set(TSUGI_BUILD_DESCRIPTION "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, ${CMAKE_BUILD_TYPE}")
foreach(setting "-march=" TSUGI_MARCH "-fsanitize=" TSUGI_SANITIZE)
  if(setting MATCHES "^-")
    set(prefix ${setting})
  elseif(${setting})
    string(APPEND TSUGI_BUILD_DESCRIPTION ", ${prefix}${${setting}}")
  endif()
endforeach()
if(TSUGI_CUDA)
  string(APPEND TSUGI_BUILD_DESCRIPTION ", CUDA ${CMAKE_CUDA_COMPILER_VERSION} for sm_${TSUGI_CUDA_BUILT_FOR}")
endif()
if(TSUGI_HAVE_ONEDNN)
  string(APPEND TSUGI_BUILD_DESCRIPTION ", oneDNN")
endif()
