// gzip in memory, for the tensors of int8 checkpoints. Internal to engine/formats.
// Source of the format: RFC 1952.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tsugi {

/// The bytes, compressed; the same input gives the same output.
std::vector<std::uint8_t> gzip(const std::vector<std::uint8_t>& bytes);

/// The reverse, for bytes that unpack to exactly `unpacked` bytes. Throws, with `place`, on anything else; memory grows
/// with the bytes that arrive, never beyond `unpacked`.
std::vector<std::uint8_t> gunzip(const std::vector<std::uint8_t>& bytes, std::uint64_t unpacked,
                                 const std::string& place);

}  // namespace tsugi
