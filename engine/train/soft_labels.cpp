// Soft labels, checked and handed out.
#include "engine/train/soft_labels.h"

#include <algorithm>
#include <cmath>

#include "engine/core/text.h"
#include "engine/train/sample_source.h"

namespace tsugi {

float SoftLabels::stage(std::size_t item, float* staged) const {
  const auto count = static_cast<std::size_t>(classes);
  std::copy_n(logits.data() + item * count, count, staged);
  return known[item] ? weight : 0.0f;
}

void validate(const SoftLabels& labels, const SampleSource& source, int classes) {
  const auto expect = [](const char* what, float value, float low, float high) {
    if (!(value >= low && value <= high))
      throw Error(std::string("distillation: the teacher has ") + what + " " + number_text(value) + ", expected " +
                  number_text(low) + " to " + number_text(high));
  };
  expect("weight", labels.weight, 0.0f, 1.0f);
  expect("temperature", labels.temperature, 0.1f, 100.0f);
  if (labels.classes < 1 || labels.classes > classes)
    throw Error("distillation: the teacher knows " + std::to_string(labels.classes) + " people, expected 1 to " +
                std::to_string(classes));
  const auto count = static_cast<std::size_t>(labels.classes);
  if (labels.known.size() != source.size() || labels.logits.size() != source.size() * count)
    throw Error("distillation: the teacher has " + std::to_string(labels.logits.size()) + " logits of " +
                std::to_string(labels.known.size()) + " photos, expected " + std::to_string(count) + " of each of " +
                std::to_string(source.size()));
  for (std::size_t i = 0; i < labels.logits.size(); ++i)
    if (labels.known[i / count] && !std::isfinite(labels.logits[i]))
      throw Error("distillation: the teacher's logit " + std::to_string(i % count) + " of photo " +
                  source.name(i / count) + " is " + std::to_string(labels.logits[i]) + ", expected a finite number");
}

}  // namespace tsugi
