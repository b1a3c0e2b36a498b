// Digests and a discrete cosine transform of 32 x 32 means.
#include "engine/data/photo_identity.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <map>
#include <numeric>

#include "engine/core/sha256.h"
#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kSide = 32, kLow = 8;  // cells and frequencies a side
constexpr std::size_t kMostBitsApart = 6;
constexpr double kWeak = 64.0;  // of a frequency: a quarter of a grey level (of 256); compression changes as much
constexpr int kMostWeak = 15;   // of 63: the signs of the others tell pictures apart
constexpr std::size_t kPixelDigits = 64, kLookDigits = 16;

/// Mean brightness (ITU-R BT.601) of each cell of a grid over the picture, kSide cells a side.
std::array<double, kSide * kSide> cells_of(const Image& image) {
  const auto begin = [](int cell, int extent) {
    return static_cast<int>(static_cast<std::int64_t>(cell) * extent / kSide);
  };
  std::array<double, kSide * kSide> cells;
  for (int row = 0; row < kSide; ++row) {
    const int top = begin(row, image.h), bottom = std::max(begin(row + 1, image.h), top + 1);
    for (int column = 0; column < kSide; ++column) {
      const int left = begin(column, image.w), right = std::max(begin(column + 1, image.w), left + 1);
      std::uint64_t sum = 0;
      for (int y = top; y < bottom; ++y) {
        const std::uint8_t* at = &image.rgb[(static_cast<std::size_t>(y) * image.w + left) * 3];
        for (int x = left; x < right; ++x, at += 3) sum += 299u * at[0] + 587u * at[1] + 114u * at[2];
      }
      cells[static_cast<std::size_t>(row * kSide + column)] =
          static_cast<double>(sum) / (1000.0 * (bottom - top) * (right - left));
    }
  }
  return cells;
}

}  // namespace

std::uint64_t look_of(const Image& image) {
  const std::array<double, kSide* kSide> cells = cells_of(image);
  double cosine[kLow][kSide];
  for (int k = 0; k < kLow; ++k) {
    const double scale = k == 0 ? std::sqrt(0.5) : 1.0;  // the transform's own
    for (int i = 0; i < kSide; ++i) cosine[k][i] = scale * std::cos(kPi * k * (2 * i + 1) / (2 * kSide));
  }
  double across[kSide][kLow] = {};
  for (int y = 0; y < kSide; ++y)
    for (int u = 0; u < kLow; ++u)
      for (int x = 0; x < kSide; ++x) across[y][u] += cells[static_cast<std::size_t>(y * kSide + x)] * cosine[u][x];
  std::array<double, kLow * kLow> low{};
  for (int v = 0; v < kLow; ++v)
    for (int u = 0; u < kLow; ++u)
      for (int y = 0; y < kSide; ++y) low[static_cast<std::size_t>(v * kLow + u)] += across[y][u] * cosine[v][y];
  std::array<double, kLow * kLow - 1> sorted;
  std::copy(low.begin() + 1, low.end(), sorted.begin());
  std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
  const double median = sorted[sorted.size() / 2];
  const auto weak = [&](double frequency) { return std::abs(frequency - median) < kWeak; };
  if (std::count_if(sorted.begin(), sorted.end(), weak) > kMostWeak) return 0;
  std::uint64_t look = 0;
  for (std::size_t i = 1; i < low.size(); ++i) look = look << 1 | (low[i] > median ? 1u : 0u);
  return look;
}

bool looks_alike(std::uint64_t a, std::uint64_t b) {
  return a != 0 && b != 0 && std::bitset<64>(a ^ b).count() <= kMostBitsApart;
}

bool same_content(const PhotoIdentity& a, const PhotoIdentity& b) {
  return a.file == b.file || (!a.pixels.empty() && a.pixels == b.pixels);
}

PhotoIdentity identify(const std::vector<std::uint8_t>& bytes, const Image& image) {
  Sha256 pixels;
  const std::string size = std::to_string(image.h) + " " + std::to_string(image.w) + "\n";
  pixels.update(size.data(), size.size());
  pixels.update(image.rgb.data(), image.rgb.size());
  return {sha256_hex(bytes), pixels.hex(), look_of(image)};
}

std::string to_print(const PhotoIdentity& identity) {
  static const char kDigits[] = "0123456789abcdef";
  std::string print = identity.pixels;
  for (int shift = 60; shift >= 0; shift -= 4) print += kDigits[identity.look >> shift & 15];
  return print;
}

PhotoIdentity from_print(const std::string& print, const std::string& place) {
  if (print.size() != kPixelDigits + kLookDigits || print.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw Error(place + " holds " + shown(print) + ", " + std::to_string(kPixelDigits + kLookDigits) +
                " lower-case hex digits expected");
  return {"", print.substr(0, kPixelDigits), std::stoull(print.substr(kPixelDigits), nullptr, 16)};
}

std::vector<std::uint32_t> first_copies(const std::vector<PhotoIdentity>& identities, const std::vector<int>& labels) {
  const auto same = [](const PhotoIdentity& a, const PhotoIdentity& b) {
    return looks_alike(a.look, b.look) || same_content(a, b);
  };
  std::vector<std::uint32_t> first(identities.size());
  std::iota(first.begin(), first.end(), std::uint32_t{0});
  const auto root = [&](std::uint32_t photo) {
    while (first[photo] != photo) photo = first[photo];
    return photo;
  };
  std::map<int, std::vector<std::uint32_t>> people;
  for (std::uint32_t i = 0; i < identities.size(); ++i) {
    std::vector<std::uint32_t>& earlier = people[labels[i]];
    for (const std::uint32_t j : earlier) {
      if (!same(identities[j], identities[i])) continue;
      const std::uint32_t one = root(j), other = root(i);
      first[std::max(one, other)] = std::min(one, other);
    }
    earlier.push_back(i);
  }
  for (std::uint32_t& photo : first) photo = root(photo);
  return first;
}

}  // namespace tsugi
