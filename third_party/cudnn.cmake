# cuDNN and cuBLAS: the baseline that the hand-written CUDA kernels are compared with (--device cudnn). Optional: without
# cuDNN a CUDA build has no such device. To be included behind find_package(CUDAToolkit). -DTSUGI_CUDNN_ROOT=DIR names a
# folder with include/ and lib/, as the Python package nvidia-cudnn has it. No download: NVIDIA's licence forbids it.
set(TSUGI_HAVE_CUDNN 0)
set(TSUGI_CUDNN_ROOT "" CACHE PATH "Folder of cuDNN (empty: the system's and CUDA's)")
find_path(TSUGI_CUDNN_INCLUDE_DIR cudnn.h
  HINTS ${TSUGI_CUDNN_ROOT} ${CUDAToolkit_INCLUDE_DIRS} ${CUDAToolkit_TARGET_DIR} PATH_SUFFIXES include)
find_library(TSUGI_CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 libcudnn.so.8
  HINTS ${TSUGI_CUDNN_ROOT} ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_TARGET_DIR} PATH_SUFFIXES lib lib64)
if(TSUGI_CUDNN_INCLUDE_DIR AND TSUGI_CUDNN_LIBRARY AND TARGET CUDA::cublas)
  add_library(tsugi_dep_cudnn INTERFACE)
  target_include_directories(tsugi_dep_cudnn SYSTEM INTERFACE ${TSUGI_CUDNN_INCLUDE_DIR})
  target_link_libraries(tsugi_dep_cudnn INTERFACE ${TSUGI_CUDNN_LIBRARY} CUDA::cublas)
  list(APPEND TSUGI_INSTALLED_LINKS ${TSUGI_CUDNN_LIBRARY} -lcublas)
  set(TSUGI_HAVE_CUDNN 1)
else()
  message(STATUS "cuDNN: not found, building without --device cudnn (install cuDNN, or set TSUGI_CUDNN_ROOT)")
endif()
