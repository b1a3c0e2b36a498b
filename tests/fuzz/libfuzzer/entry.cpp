// libFuzzer's entry point; the target is chosen by the build (CMakeLists.txt beside this file).
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  tsugi::fuzz::TSUGI_FUZZ_TARGET(bytes, size);
  return 0;
}
