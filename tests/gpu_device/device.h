// The device under test: the real GPU, or with TSUGI_GPU_DEVICE=simt (or simt:53) the emulator, to try these tests
// themselves where there is no GPU.
#pragma once

#include <memory>

#include "kernels/api/registry.h"

namespace tsugi {
namespace test {

/// Throws Error where the device is missing: without it these tests fail, they never pass by not running.
std::unique_ptr<RegistryBackend> make_device();

/// Whether the device is the emulator, where the vendor's libraries do not exist and every kernel is slow.
bool emulated();

/// Whether the GPU is the PTX interpreter (kernels/ptx), which tests/ptx says by TSUGI_PTX_SM: complete, and slow.
bool interpreted();

}  // namespace test
}  // namespace tsugi
