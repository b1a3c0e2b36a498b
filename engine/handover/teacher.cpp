// Gathers a teacher's logits: stored ones as they are, the others from one pass of the received network.
#include "engine/handover/teacher.h"

#include <algorithm>
#include <cmath>

#include "engine/core/text.h"
#include "engine/handover/knowledge.h"

namespace tsugi {
namespace {

constexpr int kBatch = 16;  // small, for small devices

}  // namespace

float Teacher::stage(std::size_t photo, float* staged) const {
  const auto count = static_cast<std::size_t>(classes);
  std::copy_n(logits.data() + photo * count, count, staged);
  return known[photo] ? 1.0f : 0.0f;
}

void validate(const Teacher& teacher, const SampleSource& source, const std::vector<std::uint32_t>& photos,
              int classes) {
  const auto expect = [](const char* what, float value, float low, float high) {
    if (!(value >= low && value <= high))
      throw Error(std::string("distillation: the teacher has ") + what + " " + number_text(value) + ", expected " +
                  number_text(low) + " to " + number_text(high));
  };
  expect("weight", teacher.weight, 0.0f, 1.0f);
  expect("temperature", teacher.temperature, 0.1f, 100.0f);
  if (teacher.classes < 1 || teacher.classes > classes)
    throw Error("distillation: the teacher knows " + std::to_string(teacher.classes) + " people, expected 1 to " +
                std::to_string(classes));
  const auto count = static_cast<std::size_t>(teacher.classes);
  if (teacher.known.size() != photos.size() || teacher.logits.size() != photos.size() * count)
    throw Error("distillation: the teacher has " + std::to_string(teacher.logits.size()) + " logits of " +
                std::to_string(teacher.known.size()) + " photos, expected " + std::to_string(count) + " of each of " +
                std::to_string(photos.size()));
  for (std::size_t i = 0; i < teacher.logits.size(); ++i)
    if (teacher.known[i / count] && !std::isfinite(teacher.logits[i]))
      throw Error("distillation: the teacher's logit " + std::to_string(i % count) + " of photo " +
                  source.name(photos[i / count]) + " is " + std::to_string(teacher.logits[i]) +
                  ", expected a finite number");
}

StoredLogits stored_logits(const Bundle& bundle, const Model& model, const std::string& place) {
  StoredLogits stored;
  const std::optional<Knowledge> knowledge = read_knowledge(bundle, model, place);
  if (!knowledge) return stored;
  auto row = knowledge->logits.begin();
  for (const BundlePhoto& photo : bundle.photos) {
    if (photo.test) continue;
    const auto end = row + static_cast<std::ptrdiff_t>(knowledge->classes);
    stored[photo.class_name + "/" + photo.file].assign(row, end);
    row = end;
  }
  return stored;
}

Teacher make_teacher(const Network& network, const SampleSource& source, const std::vector<std::uint32_t>& photos,
                     const StoredLogits& stored, bool include_new, const std::string& place) {
  const auto classes = static_cast<std::size_t>(network.classes());
  Teacher teacher;
  teacher.classes = network.classes();
  teacher.logits.assign(photos.size() * classes, 0.0f);
  teacher.known.assign(photos.size(), false);
  const auto put = [&](std::size_t i, const float* logits) {
    std::copy(logits, logits + classes, teacher.logits.begin() + static_cast<std::ptrdiff_t>(i * classes));
    teacher.known[i] = true;
  };
  std::vector<std::uint32_t> missing;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < photos.size(); ++i) {
    const std::string& file = source.name(photos[i]);
    const auto found = stored.find(file);
    if (found == stored.end()) {
      if (source.label(photos[i]) >= network.classes() && !include_new) continue;
      missing.push_back(photos[i]);
      positions.push_back(i);
      continue;
    }
    if (found->second.size() != classes)
      throw Error(place + ": stores " + std::to_string(found->second.size()) + " logits of photo " + file +
                  ", the checkpoint knows " + std::to_string(classes) + " people");
    put(i, found->second.data());
  }
  if (missing.empty()) return teacher;
  Inference inference(network, kBatch);
  InferenceOptions options;
  options.logits = true;
  const Predictions predictions = inference.run(source, missing, options);
  for (std::size_t i = 0; i < missing.size(); ++i) put(positions[i], predictions.logits.data() + i * classes);
  return teacher;
}

}  // namespace tsugi
