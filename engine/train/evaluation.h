// How well a network does: overall, a person, and split into general and personal people.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "engine/train/inference.h"

namespace tsugi {

/// Counts over test photos; accuracies are 0 to 1, and NaN over no photos.
struct Tally {
  std::uint64_t correct = 0, photos = 0;
  double accuracy() const {
    return photos == 0 ? std::numeric_limits<double>::quiet_NaN()
                       : static_cast<double>(correct) / static_cast<double>(photos);
  }
  /// Where the accuracy on ever more such photos lies with 95 %, these being independent draws of them: {low, high},
  /// {0, 1} over no photos. Source: Wilson, "Probable inference, the law of succession, and statistical inference",
  /// 1927.
  std::pair<double, double> interval() const;
};

struct Evaluation {
  double loss = 0.0;  ///< mean cross-entropy a photo
  Tally overall, general, personal;
  std::vector<Tally> per_class;                       ///< [classes] by true class
  std::vector<std::vector<std::uint32_t>> confusion;  ///< [classes][classes] true, predicted
};

/// Of one photo: an item of the source, the class that it was taken for, and the probability of that.
using EachPhoto = std::function<void(std::uint32_t photo, int predicted, double probability)>;

/// Runs `photos` (items of the source) through the network. personal: [classes] whether a class came from personal
/// data; may be shorter (missing ones are general). each: called for photo after photo, some at a time, as they come.
Evaluation evaluate(Inference& inference, const SampleSource& source, const std::vector<std::uint32_t>& photos,
                    int classes, const std::vector<bool>& personal, const EachPhoto& each = nullptr);

}  // namespace tsugi
