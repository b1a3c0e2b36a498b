// SHA-256 digests of checkpoints, photos and bundle members, computed by OpenSSL.
// Source: FIPS 180-4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tsugi {

/// A digest that is fed piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  /// Adds `size` bytes (host).
  void update(const void* bytes, std::size_t size);

  /// The 64 lower-case hex digits of everything added so far. Ends the digest: nothing may be added afterwards.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The 64 lower-case hex digits of the digest of `size` bytes (host).
std::string sha256_hex(const void* bytes, std::size_t size);
std::string sha256_hex(const std::string& text);
std::string sha256_hex(const std::vector<std::uint8_t>& bytes);

/// Whether a text can be such a digest.
bool is_sha256_hex(const std::string& text);

}  // namespace tsugi
