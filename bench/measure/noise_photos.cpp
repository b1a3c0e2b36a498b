#include "bench/measure/noise_photos.h"

#include "engine/data/encode.h"
#include "kernels/api/philox.h"

namespace tsugi::bench {

PhotoStore noise_photos(int count, int classes, const Preprocessing& preprocessing) {
  std::vector<Photo> photos;
  std::vector<int> labels;
  const int size = preprocessing.stored_size;
  for (int i = 0; i < count; ++i) {
    std::vector<std::uint8_t> rgb(static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3);
    for (std::size_t j = 0; j < rgb.size(); ++j) {
      const auto sample = static_cast<std::uint32_t>(i), place = static_cast<std::uint32_t>(j);
      rgb[j] = static_cast<std::uint8_t>(philox(1, 0, sample, purpose::kSynth, place).v[0]);
    }
    const std::string file = "noise/" + std::to_string(i) + ".png";
    const auto bytes = std::make_shared<std::vector<std::uint8_t>>(encode_png({rgb.data(), size, size}));
    photos.push_back({"noise", file, file, bytes});
    labels.push_back(i % classes);
  }
  PhotoStoreOptions options;
  options.preprocessing = preprocessing;
  options.preprocessing.crop = 1.0f;
  return PhotoStore(photos, labels, options);
}

}  // namespace tsugi::bench
