// libFuzzer's entry points for all targets of targets.inc; CMakeLists.txt beside this file says how it is run.
#define DOCTEST_CONFIG_IMPLEMENT  // the seeds are made by code that the tests share
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/targets.h"

namespace {

using tsugi::fuzz::NamedTarget;

const NamedTarget* chosen = nullptr;

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "fuzz: %s\n", message.c_str());
  std::exit(2);
}

const std::vector<NamedTarget>& targets() {
  static const std::vector<NamedTarget> all = tsugi::fuzz::all_targets();
  return all;
}

[[noreturn]] void list() {
  for (const NamedTarget& target : targets()) std::puts(target.name);
  std::exit(0);
}

[[noreturn]] void write_seeds(const std::string& folder) {
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const tsugi::fuzz::Bytes& seed : chosen->seeds()) {
    std::ofstream file(folder + "/seed-" + std::to_string(number++), std::ios::binary);
    file.write(reinterpret_cast<const char*>(seed.data()), static_cast<std::streamsize>(seed.size()));
    if (!file.flush()) fail(folder + ": cannot be written");
  }
  std::exit(0);
}

}  // namespace

/// libFuzzer leaves alone what begins with two dashes.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  static doctest::Context context;  // what the seeds are made by checks with doctest's macros, outside of a test
  context.setAsDefaultForAssertsOutOfTestCases();
  context.setAssertHandler([](const doctest::AssertData& data) {
    if (data.m_failed) fail(std::string(data.m_expr) + " does not hold");
  });
  std::string seeds;
  for (int i = 1; i < *argc; ++i) {
    const std::string word = (*argv)[i];
    if (word == "--list") list();
    if (word.rfind("--seeds=", 0) == 0) seeds = word.substr(std::strlen("--seeds="));
    if (word.rfind("--target=", 0) != 0) continue;
    for (const NamedTarget& target : targets())
      if (word.substr(std::strlen("--target=")) == target.name) chosen = &target;
    if (chosen == nullptr) fail(word + ": unknown; --list lists them");
  }
  if (chosen == nullptr) fail("--target=NAME expected; --list lists them");
  if (!seeds.empty()) write_seeds(seeds);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  chosen->target(bytes, size);
  return 0;
}
