// Reads the fields ahead of a picture's sides, bit by bit.
#include "engine/data/heif_stream.h"

#include <algorithm>

namespace tsugi {
namespace {

class Bits {
 public:
  Bits(ByteWindow& bytes, std::uint64_t begin, std::uint64_t end) : bytes_(bytes), at_(begin), end_(end) {}

  /// At most 32 bits; zeros behind the end.
  std::uint64_t number(int bits) {
    std::uint64_t value = 0;
    for (int i = 0; i < bits; ++i) value = value << 1 | bit();
    return value;
  }
  void skip(int bits) {
    for (int i = 0; i < bits; ++i) bit();
  }
  /// An Exp-Golomb code, ue(v).
  std::uint64_t exp_golomb() {
    int zeros = 0;
    while (zeros < 32 && at_ < end_ && bit() == 0) ++zeros;
    return (std::uint64_t{1} << zeros) - 1 + number(zeros);
  }

 private:
  std::uint64_t bit() {
    if (left_ == 0) {
      if (zeros_ >= 2 && at_ < end_ && bytes_[at_] == 3) {  // is there for no data to look like a start
        ++at_;
        zeros_ = 0;
      }
      byte_ = at_ < end_ ? std::max(0, bytes_[at_]) : 0;
      zeros_ = byte_ == 0 ? zeros_ + 1 : 0;
      ++at_;
      left_ = 8;
    }
    --left_;
    return static_cast<std::uint64_t>(byte_ >> left_ & 1);
  }

  ByteWindow& bytes_;
  std::uint64_t at_;
  const std::uint64_t end_;
  int byte_ = 0, left_ = 0, zeros_ = 0;
};

/// begin: behind the two bytes of a unit's head.
std::uint64_t parameter_set_pixels(ByteWindow& bytes, std::uint64_t begin, std::uint64_t end) {
  Bits bits(bytes, begin, end);
  bits.skip(4);
  const int layers = static_cast<int>(bits.number(3));
  bits.skip(1 + 88 + 8);  // profile and level
  bool profile[8] = {}, level[8] = {};
  for (int i = 0; i < layers; ++i) {
    profile[i] = bits.number(1) != 0;
    level[i] = bits.number(1) != 0;
  }
  if (layers > 0) bits.skip(2 * (8 - layers));
  for (int i = 0; i < layers; ++i) bits.skip((profile[i] ? 88 : 0) + (level[i] ? 8 : 0));
  bits.exp_golomb();                         // its number
  if (bits.exp_golomb() == 3) bits.skip(1);  // 4:4:4, perhaps as separate planes
  const std::uint64_t w = bits.exp_golomb(), h = bits.exp_golomb();
  return w * h;
}

}  // namespace

std::uint64_t hevc_pixels(ByteWindow& bytes, std::uint64_t begin, std::uint64_t end) {
  constexpr std::uint64_t kFixed = 22, kParameterSet = 33, kMostUnits = 64;
  std::uint64_t most = 0, units_read = 0;
  const std::uint64_t arrays = bytes.number(begin + kFixed, 1);
  std::uint64_t at = begin + kFixed + 1;
  for (std::uint64_t array = 0; array < arrays && at + 3 <= end; ++array) {
    const std::uint64_t kind = bytes.number(at, 1) & 63, units = bytes.number(at + 1, 2);
    at += 3;
    for (std::uint64_t unit = 0; unit < units && at + 2 <= end && units_read < kMostUnits; ++unit, ++units_read) {
      const std::uint64_t length = bytes.number(at, 2);
      at += 2;
      if (kind == kParameterSet) most = std::max(most, parameter_set_pixels(bytes, at + 2, std::min(end, at + length)));
      at += length;
    }
  }
  return most;
}

}  // namespace tsugi
