// CUDA for the host compiler: what kernels/cuda needs of the language to be compiled as C++14 and run on a CPU, in
// namespace tsugi::simt. kernels/cuda/device/platform.h includes it in place of the CUDA headers; emulator.h runs the
// kernels. No macro here is named like anything in the standard library.
#pragma once

#include <cstdint>
#include <functional>

#include "kernels/simt/builtins.h"
#include "kernels/simt/device_math.h"
#include "kernels/simt/half.h"
#include "kernels/simt/warp.h"
