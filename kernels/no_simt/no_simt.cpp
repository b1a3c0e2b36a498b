// Stands in for the emulator in builds without Boost.Context.
#include "kernels/api/registry.h"

namespace tsugi {

std::unique_ptr<RegistryBackend> make_simt_backend(int, ThreadOrder, std::uint64_t) {
  throw Error("device simt: this build does not have it; install Boost.Context (libboost-context-dev) and build again");
}

}  // namespace tsugi
