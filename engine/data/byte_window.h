// Single bytes of a photo, read some at a time, wherever it lies: what headers are read through.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

namespace tsugi {

/// Copies `size` bytes from byte `offset` of the encoded photo to `to`; false when it has fewer.
using PeekBytes = std::function<bool(std::uint64_t offset, void* to, std::size_t size)>;

class ByteWindow {
 public:
  explicit ByteWindow(const PeekBytes& peek) : peek_(peek) {}

  /// The byte at `at`, or -1 behind the end.
  int operator[](std::uint64_t at) {
    if (at < begin_ || at >= begin_ + size_) {
      begin_ = at;
      for (size_ = bytes_.size(); size_ > 0 && !peek_(at, bytes_.data(), size_);) size_ /= 2;
      if (size_ == 0) return -1;
    }
    return bytes_[static_cast<std::size_t>(at - begin_)];
  }
  /// Big-endian; bytes behind the end are 0.
  std::uint64_t number(std::uint64_t at, int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | byte(at + static_cast<unsigned>(i));
    return value;
  }
  std::uint64_t little_endian(std::uint64_t at, int bytes) {
    std::uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; --i) value = value << 8 | byte(at + static_cast<unsigned>(i));
    return value;
  }

 private:
  std::uint64_t byte(std::uint64_t at) {
    const int value = (*this)[at];
    return value < 0 ? 0 : static_cast<std::uint64_t>(value);
  }

  const PeekBytes& peek_;
  std::array<std::uint8_t, 512> bytes_{};
  std::uint64_t begin_ = 0;
  std::size_t size_ = 0;
};

/// Four letters as the number that ByteWindow::number(at, 4) reads.
constexpr std::uint64_t tag(const char (&letters)[5]) {
  return static_cast<std::uint64_t>(static_cast<unsigned char>(letters[0])) << 24 |
         static_cast<std::uint64_t>(static_cast<unsigned char>(letters[1])) << 16 |
         static_cast<std::uint64_t>(static_cast<unsigned char>(letters[2])) << 8 |
         static_cast<std::uint64_t>(static_cast<unsigned char>(letters[3]));
}

}  // namespace tsugi
