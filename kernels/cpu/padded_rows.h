// Rows of an NHWC image copied with zero padding into a small buffer, the first step of the direct convolution.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace tsugi {
namespace cpu {

/// How a buffer of padded rows is laid out. Blocked: [row][block][column][64 bytes], a block being 64 bytes of
/// channels (the rest of the last block is zero). Flat: [row][column][channels], for very few channels.
struct PaddedRows {
  int h = 0, w = 0;             ///< of the image
  int first_column = 0;         ///< image column of buffer column 0; may be negative
  int columns = 0;              ///< of the buffer
  std::size_t pixel_bytes = 0;  ///< of the image: channels * element size
  bool flat = false;
  int blocks = 0;                ///< 1 when flat
  std::size_t column_bytes = 0;  ///< of the buffer: 64, or pixel_bytes when flat
  std::size_t block_bytes = 0;   ///< columns * column_bytes (when flat: rounded up, with room to read past the end)
  std::size_t row_bytes = 0;     ///< blocks * block_bytes

  void lay_out() {
    blocks = flat ? 1 : static_cast<int>((pixel_bytes + 63) / 64);
    column_bytes = flat ? pixel_bytes : 64;
    block_bytes = (static_cast<std::size_t>(columns) * column_bytes + (flat ? 64 + 63 : 63)) / 64 * 64;
    row_bytes = static_cast<std::size_t>(blocks) * block_bytes;
  }

  /// Image columns that the buffer holds: [begin, end).
  int begin_column() const { return std::max(first_column, 0); }
  int end_column() const { return std::min(first_column + columns, w); }

  /// Copies image rows first_row ... first_row + rows - 1; those outside the image are zero.
  void copy(const char* image, int first_row, int rows, char* buffer) const {
    for (int i = 0; i < rows; ++i, buffer += row_bytes) {
      const int row = first_row + i;
      if (row < 0 || row >= h || begin_column() >= end_column()) {
        std::memset(buffer, 0, row_bytes);
      } else if (flat) {
        copy_flat(image + static_cast<std::size_t>(row) * w * pixel_bytes, buffer);
      } else {
        copy_blocked(image + static_cast<std::size_t>(row) * w * pixel_bytes, buffer);
      }
    }
  }

 private:
  void copy_flat(const char* row, char* buffer) const {
    const std::size_t left = static_cast<std::size_t>(begin_column() - first_column) * pixel_bytes;
    const std::size_t bytes = static_cast<std::size_t>(end_column() - begin_column()) * pixel_bytes;
    std::memset(buffer, 0, left);
    std::memcpy(buffer + left, row + static_cast<std::size_t>(begin_column()) * pixel_bytes, bytes);
    std::memset(buffer + left + bytes, 0, row_bytes - left - bytes);
  }

  void copy_blocked(const char* row, char* buffer) const {
    const int begin = begin_column(), end = end_column();
    for (int block = 0; block < blocks; ++block, buffer += block_bytes) {
      const std::size_t offset = static_cast<std::size_t>(block) * 64;
      const std::size_t bytes = std::min<std::size_t>(64, pixel_bytes - offset);
      std::memset(buffer, 0, static_cast<std::size_t>(begin - first_column) * 64);
      char* to = buffer + static_cast<std::size_t>(begin - first_column) * 64;
      const char* from = row + static_cast<std::size_t>(begin) * pixel_bytes + offset;
      if (bytes == 64) {
        for (int column = begin; column < end; ++column, to += 64, from += pixel_bytes) std::memcpy(to, from, 64);
      } else {
        for (int column = begin; column < end; ++column, to += 64, from += pixel_bytes) {
          std::memset(to, 0, 64);
          std::memcpy(to, from, bytes);
        }
      }
      std::memset(to, 0, static_cast<std::size_t>(first_column + columns - end) * 64);
    }
  }
};

}  // namespace cpu
}  // namespace tsugi
