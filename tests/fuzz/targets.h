// What is fuzzed: one function a parser. Each takes any bytes and must either read them or refuse them with an Error;
// everything else (a crash, another exception, a broken round trip) ends the process or leaves the function.
// test_fuzz feeds them mutated files; tests/fuzz/libfuzzer feeds them whatever libFuzzer finds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/api/error.h"

namespace tsugi {
struct Bundle;
}

namespace tsugi::fuzz {

using Bytes = std::vector<std::uint8_t>;

/// True when the bytes were read, false when they were refused.
using Target = bool (*)(const std::uint8_t* bytes, std::size_t size);

#define TSUGI_FUZZ_TARGET(name, what) bool name(const std::uint8_t* bytes, std::size_t size);
#include "tests/fuzz/targets.inc"
#undef TSUGI_FUZZ_TARGET

struct NamedTarget {
  const char* name;
  Target target;
  std::vector<Bytes> (*seeds)();
};

/// Files of each kind that their target must accept: what mutation begins with.
namespace seeds {
#define TSUGI_FUZZ_TARGET(name, what) std::vector<Bytes> name();
#include "tests/fuzz/targets.inc"
#undef TSUGI_FUZZ_TARGET
}  // namespace seeds

inline std::vector<NamedTarget> all_targets() {
  return {
#define TSUGI_FUZZ_TARGET(name, what) {#name, name, seeds::name},
#include "tests/fuzz/targets.inc"
#undef TSUGI_FUZZ_TARGET
  };
}

inline void expect(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

/// Whether `read` came to its end; an Error is a refusal.
template <typename Read>
bool accepts(const Read& read) {
  try {
    read();
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// Reads these bytes as a bundle, from a file.
Bundle decode_bundle(const Bytes& bytes);

inline std::string text_of(const std::uint8_t* bytes, std::size_t size) { return std::string(bytes, bytes + size); }

/// The bytes with the 64 digits behind `key` replaced by the digest of all bytes with zeros there. Otherwise the digest
/// would stop nearly every input before the code behind it.
Bytes with_right_digest(Bytes bytes, const std::string& key = "\"sha256\":\"");

}  // namespace tsugi::fuzz
