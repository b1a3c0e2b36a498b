// What is fuzzed: one function a file format. Each takes any bytes and must either read them or refuse them with an
// Error; everything else (a crash, another exception, a broken round trip) ends the process or leaves the function.
// test_fuzz feeds them mutated files; tests/fuzz/libfuzzer feeds them whatever libFuzzer finds.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tsugi::fuzz {

/// True when the bytes were read, false when they were refused.
bool safetensors(const std::uint8_t* bytes, std::size_t size);
bool checkpoint(const std::uint8_t* bytes, std::size_t size);  ///< its digest is made right first
bool manifest(const std::uint8_t* bytes, std::size_t size);
bool bundle(const std::uint8_t* bytes, std::size_t size);
bool tuning(const std::uint8_t* bytes, std::size_t size);  ///< its digest is made right first
bool device_description(const std::uint8_t* bytes, std::size_t size);
bool result_file(const std::uint8_t* bytes, std::size_t size);

}  // namespace tsugi::fuzz
