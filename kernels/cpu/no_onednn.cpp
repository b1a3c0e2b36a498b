// What stands in for the CPU backend where the build has no oneDNN: the reference, which says so in its description.
#if !TSUGI_HAVE_ONEDNN
#include "kernels/api/backend.h"

namespace tsugi {

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  if (threads < 0) throw Error("cpu: threads is " + std::to_string(threads) + ", expected 0 (all cores) or more");
  return make_reference_backend();
}

}  // namespace tsugi
#endif
