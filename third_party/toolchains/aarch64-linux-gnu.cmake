# For 64-bit ARM, by default the Jetson Nano's Cortex-A57: cross-compiles on any other machine, with libraries from
# Debian's multiarch packages (/usr/lib/aarch64-linux-gnu) or a copy of the device's file system. On the device itself
# it only chooses compilers and CPU.
#
#   cmake --preset aarch64                  host side only, checked under qemu
#   cmake --preset cuda-jetson -DTSUGI_CROSS_CXX=aarch64-linux-gnu-g++-8 -DTSUGI_CROSS_CC=aarch64-linux-gnu-gcc-8 \
#     -DTSUGI_CROSS_SYSROOT=/srv/nano -DTSUGI_CROSS_CUDA=/usr/local/cuda-10.2

# The names hold on the device too: Debian and Ubuntu install the native compiler under them as well.
set(TSUGI_CROSS_CC aarch64-linux-gnu-gcc CACHE STRING "C cross compiler; CUDA 10.2 takes gcc 8 at most")
set(TSUGI_CROSS_CXX aarch64-linux-gnu-g++ CACHE STRING "C++ cross compiler, also nvcc's host compiler")
set(TSUGI_CROSS_CPU cortex-a57 CACHE STRING "Value of -mcpu=, and the CPU that qemu stands for")
set(TSUGI_CROSS_SYSROOT "" CACHE PATH "Copy of the device's file system (empty: this system's multiarch packages)")
set(TSUGI_CROSS_CUDA "" CACHE PATH "CUDA toolkit with an aarch64-linux target (empty: as CMake finds it)")
# CMake reads this file again in its compiler checks, which see no cache but what is named here.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES
  TSUGI_CROSS_CC TSUGI_CROSS_CXX TSUGI_CROSS_CPU TSUGI_CROSS_SYSROOT TSUGI_CROSS_CUDA)

set(CMAKE_C_COMPILER ${TSUGI_CROSS_CC})
set(CMAKE_CXX_COMPILER ${TSUGI_CROSS_CXX})
set(CMAKE_CUDA_HOST_COMPILER ${TSUGI_CROSS_CXX})
set(CMAKE_C_FLAGS_INIT "-mcpu=${TSUGI_CROSS_CPU}")
set(CMAKE_CXX_FLAGS_INIT "-mcpu=${TSUGI_CROSS_CPU}")
if(TSUGI_CROSS_CUDA)
  set(CMAKE_CUDA_COMPILER ${TSUGI_CROSS_CUDA}/bin/nvcc)
  set(CUDAToolkit_ROOT ${TSUGI_CROSS_CUDA})
endif()

if(CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL "aarch64")
  return()
endif()

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
if(EXISTS ${TSUGI_CROSS_CUDA}/targets/aarch64-linux)
  set(CMAKE_CUDA_FLAGS_INIT "--target-directory aarch64-linux")
endif()

# pkg-config must not see the libraries of the machine that builds.
set(ENV{PKG_CONFIG_LIBDIR}
  ${TSUGI_CROSS_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${TSUGI_CROSS_SYSROOT}/usr/share/pkgconfig)
set(emulator_root)
if(TSUGI_CROSS_SYSROOT)
  set(CMAKE_SYSROOT ${TSUGI_CROSS_SYSROOT})
  set(ENV{PKG_CONFIG_SYSROOT_DIR} ${TSUGI_CROSS_SYSROOT})
  set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
  set(emulator_root -L ${TSUGI_CROSS_SYSROOT})
endif()

# Tests, and the discovery of their names, run under qemu's user mode.
find_program(TSUGI_QEMU qemu-aarch64)
if(TSUGI_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${TSUGI_QEMU} -cpu ${TSUGI_CROSS_CPU} ${emulator_root})
endif()
