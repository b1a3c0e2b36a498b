// Crop and resize with a separable cubic filter, as wide as the reduction, so that every source pixel counts and edges
// stay sharp. Sources: P. Heckbert, "Filtered image rescaling", Graphics Gems III, 1992; R. Keys, "Cubic convolution
// interpolation for digital image processing", 1981 (a = -0.5, as Pillow's BICUBIC).
#include <algorithm>
#include <cmath>
#include <string>

#include "engine/data/crop.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

/// Keys' cubic at distance x, in units of the wider of source and output pixels; zero from 2 on.
double cubic(double x) {
  x = std::abs(x);
  if (x < 1.0) return (1.5 * x - 2.5) * x * x + 1.0;
  return x < 2.0 ? ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0 : 0.0;
}

/// For each of `size` output positions: the source pixels that it averages, and their weights (sum 1).
struct Filter {
  std::vector<int> first;      ///< [size]
  std::vector<float> weights;  ///< [size,taps], zero where there is no source pixel
  int taps = 0;
};

/// length: source pixels of the whole image; [start, start + side): the part that is resized, in source pixels. Beyond
/// the image are the pixels of its edge.
Filter make_filter(int length, double start, double side, int size) {
  const double scale = side / size, width = std::max(scale, 1.0), support = 2.0 * width;
  // A part within the image has its first centre before the first pixel's where it is enlarged.
  const double edge = start < 0.0 || start + side > length ? 0.5 : 0.0;
  Filter filter;
  filter.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  filter.weights.assign(static_cast<std::size_t>(size) * filter.taps, 0.0f);
  for (int i = 0; i < size; ++i) {
    const double centre = std::clamp(start + (i + 0.5) * scale, edge, length - edge);
    const int lowest = static_cast<int>(std::floor(centre - support));
    const int first = std::min(std::max(lowest, 0), std::max(length - filter.taps, 0));
    std::vector<double> weights(static_cast<std::size_t>(filter.taps));
    double sum = 0.0;
    for (int k = 0; k < filter.taps && first + k < length; ++k) {
      weights[k] = cubic((first + k + 0.5 - centre) / width);
      sum += weights[k];
    }
    for (int k = 0; k < filter.taps; ++k)
      filter.weights[static_cast<std::size_t>(i) * filter.taps + k] = static_cast<float>(weights[k] / sum);
    filter.first.push_back(first);
  }
  return filter;
}

/// One row of the source, resized: [w,3] bytes to [size,3] floats.
void resize_row(const std::uint8_t* row, int w, const Filter& filter, float* to) {
  const int size = static_cast<int>(filter.first.size());
  for (int i = 0; i < size; ++i) {
    const float* weights = &filter.weights[static_cast<std::size_t>(i) * filter.taps];
    const std::uint8_t* in = row + static_cast<std::size_t>(filter.first[i]) * 3;
    const int taps = std::min(filter.taps, w - filter.first[i]);
    float sum[3] = {0.0f, 0.0f, 0.0f};
    for (int k = 0; k < taps; ++k)
      for (int c = 0; c < 3; ++c) sum[c] += weights[k] * static_cast<float>(in[3 * k + c]);
    for (int c = 0; c < 3; ++c) to[3 * i + c] = sum[c];
  }
}

}  // namespace

void resize_square(const Image& image, const Square& square, int size, std::uint8_t* to) {
  if (image.h < 1 || image.w < 1 || image.rgb.size() != static_cast<std::size_t>(image.h) * image.w * 3) {
    throw Error("resize_square: image is " + std::to_string(image.h) + " x " + std::to_string(image.w) + " with " +
                std::to_string(image.rgb.size()) + " bytes");
  }
  if (!(square.side > 0.0 && std::isfinite(square.side)) || size < 1)
    throw Error("resize_square: side is " + std::to_string(square.side) + ", size is " + std::to_string(size) +
                ", expected both above 0");
  const Filter rows = make_filter(image.h, square.top, square.side, size);
  const Filter columns = make_filter(image.w, square.left, square.side, size);

  const int top = rows.first.front(), bottom = std::min(rows.first.back() + rows.taps, image.h);
  const std::size_t row_floats = static_cast<std::size_t>(size) * 3;
  std::vector<float> narrow((bottom - top) * row_floats);
  for (int y = top; y < bottom; ++y) {
    resize_row(&image.rgb[static_cast<std::size_t>(y) * image.w * 3], image.w, columns,
               &narrow[(y - top) * row_floats]);
  }
  std::vector<float> sum(row_floats);
  for (int i = 0; i < size; ++i) {
    std::fill(sum.begin(), sum.end(), 0.0f);
    for (int k = 0; k < rows.taps && rows.first[i] + k < bottom; ++k) {
      const float weight = rows.weights[static_cast<std::size_t>(i) * rows.taps + k];
      const float* in = &narrow[(rows.first[i] + k - top) * row_floats];
      for (std::size_t e = 0; e < row_floats; ++e) sum[e] += weight * in[e];
    }
    for (std::size_t e = 0; e < row_floats; ++e)
      to[i * row_floats + e] = static_cast<std::uint8_t>(std::min(std::max(sum[e] + 0.5f, 0.0f), 255.0f));
  }
}

}  // namespace tsugi
