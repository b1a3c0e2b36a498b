# The CUDA toolkit, for builds with TSUGI_CUDA=ON (presets cuda-*): the compiler, its architectures, and the runtime,
# linked statically so that the binary starts where no toolkit is installed. No download: NVIDIA's own packages install
# it (JetPack on a Jetson).
option(TSUGI_CUDA "Build the devices cuda and cudnn (needs the CUDA toolkit)" OFF)
set(TSUGI_CUDA_ARCHITECTURES "75" CACHE STRING "Compute capabilities to compile for, ascending; the last as PTX, too")
option(TSUGI_PTX "Link kernels/ptx, which interprets the kernels' PTX, in place of the CUDA runtime (preset ptx)" OFF)
set(TSUGI_HAVE_CUDNN 0)
if(NOT TSUGI_CUDA)
  return()
endif()

include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  tsugi_stop("There is no nvcc: export CUDACXX=/usr/local/cuda/bin/nvcc (or where it is), or build without it: cmake --preset cpu")
endif()

# A toolkit leaves out what is too old or too new for it (11.x: 53 to 90; 13: 75 and up). nvcc itself knows best.
file(WRITE ${PROJECT_BINARY_DIR}/architecture.cu "")
set(architectures)
set(left_out)
foreach(architecture IN LISTS TSUGI_CUDA_ARCHITECTURES)
  execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --dryrun -arch=sm_${architecture} -c ${PROJECT_BINARY_DIR}/architecture.cu
    RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(status EQUAL 0)
    list(APPEND architectures ${architecture})
  else()
    list(APPEND left_out sm_${architecture})
  endif()
endforeach()
if(NOT architectures)
  message(FATAL_ERROR "${CMAKE_CUDA_COMPILER} compiles for none of TSUGI_CUDA_ARCHITECTURES=${TSUGI_CUDA_ARCHITECTURES}: "
    "sm_53 needs CUDA 10.2 to 12.x, sm_75 10.0 or newer, sm_90 11.8 or newer")
endif()
if(left_out)
  list(JOIN left_out ", " left_out)
  message(STATUS "CUDA: ${CMAKE_CUDA_COMPILER} does not compile for ${left_out}: left out, the binary will not run there")
endif()
# Machine code for each, and PTX of the last for whatever is newer.
list(POP_BACK architectures last)
list(TRANSFORM architectures APPEND -real)
set(CMAKE_CUDA_ARCHITECTURES ${architectures} ${last})
if(TSUGI_PTX)
  set(CMAKE_CUDA_ARCHITECTURES ${last}-virtual)
  set(CMAKE_CUDA_RUNTIME_LIBRARY None)
  string(APPEND CMAKE_CUDA_FLAGS " --no-compress")  # the interpreter reads the fat binaries' text
endif()
list(APPEND architectures ${last})
list(JOIN architectures ", " TSUGI_CUDA_BUILT_FOR)
string(REPLACE "-real" "" TSUGI_CUDA_BUILT_FOR "${TSUGI_CUDA_BUILT_FOR}")
set(CMAKE_CUDA_STANDARD 14)  # CUDA 10.2, the last for the Jetson Nano, knows no later
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS TSUGI_OLDEST_CUDA)
  tsugi_stop("${CMAKE_CUDA_COMPILER} is of CUDA ${CMAKE_CUDA_COMPILER_VERSION}: too old, ${TSUGI_OLDEST_CUDA} is the oldest "
    "(another: rm -r ${PROJECT_BINARY_DIR} && export CUDACXX=/usr/local/cuda/bin/nvcc, then the same again; or without it: cmake --preset cpu)")
endif()
find_package(CUDAToolkit REQUIRED)
message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION} for sm_${TSUGI_CUDA_BUILT_FOR}")
if(NOT TSUGI_PTX)
  list(APPEND TSUGI_INSTALLED_LINKS ${CUDA_cudart_static_LIBRARY} -ldl -lrt)
  include(third_party/cudnn.cmake)
endif()
