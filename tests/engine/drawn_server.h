// What a server knows of people whose features are drawn: no network, no photo.
#pragma once

#include <string>
#include <vector>

#include "engine/handover/personal_people.h"
#include "tests/engine/support.h"

namespace tsugi::test {

/// Twelve people whose features vary with deviation 1, their means a few deviations apart; three features alike.
struct DrawnServer {
  static constexpr std::size_t kPeople = 12, kFeatures = 24;
  PeopleStatistics known;

  explicit DrawnServer(std::uint64_t seed, std::size_t photos = 40) {
    std::vector<float> means(kPeople * kFeatures), features;
    fill_normal(seed, 0, 1.2f, means.data(), means.size());
    std::vector<int> labels;
    for (std::size_t i = 0; i < kPeople * photos; ++i) {
      labels.push_back(static_cast<int>(i % kPeople));
      const std::vector<float> photo = drawn(seed, 1 + i, &means[i % kPeople * kFeatures]);
      features.insert(features.end(), photo.begin(), photo.end());
    }
    FeatureStatistics statistics(kPeople, kFeatures, features, labels);
    statistics.add(features, labels);
    statistics.store(known);
  }

  static std::vector<float> drawn(std::uint64_t seed, std::size_t index, const float* mean) {
    std::vector<float> photo(kFeatures);
    fill_normal(seed, static_cast<std::uint32_t>(index), 1.0f, photo.data(), kFeatures);
    photo[2] = photo[1] = 0.5f * photo[0];
    for (std::size_t j = 0; j < kFeatures; ++j) photo[j] += mean[j];
    return photo;
  }

  /// A new person of `photos` photos; spread: 1 = as the others.
  void add(std::uint64_t seed, const std::string& name, std::size_t photos, float spread) {
    std::vector<float> mean(kFeatures);
    fill_normal(seed, 100000, 1.2f, mean.data(), kFeatures);
    HeadSamples samples;
    std::vector<std::string> digests;
    for (std::size_t i = 0; i < photos; ++i) {
      std::vector<float> photo = drawn(seed, 100001 + i, mean.data());
      for (std::size_t j = 0; j < kFeatures; ++j) photo[j] = mean[j] + spread * (photo[j] - mean[j]);
      samples.features.insert(samples.features.end(), photo.begin(), photo.end());
      samples.labels.push_back(static_cast<int>(kPeople));
      digests.push_back(std::string(62, '0') + std::to_string(10 + i));
    }
    add_photos(known, std::vector<std::string>(photos, name), digests, samples);
  }
};

}  // namespace tsugi::test
