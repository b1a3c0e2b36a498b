// Gathers a teacher's logits: stored ones as they are, the others from one pass of the received network.
#include "engine/handover/teacher.h"

#include <algorithm>

namespace tsugi {
StoredLogits stored_logits(const Bundle& bundle, const PeopleStatistics& statistics) {
  StoredLogits stored;
  auto row = statistics.logits.begin();
  for (const BundlePhoto& photo : bundle.photos) {
    if (photo.test) continue;
    const auto end = row + static_cast<std::ptrdiff_t>(statistics.classes);
    stored[photo.class_name + "/" + photo.file].assign(row, end);
    row = end;
  }
  return stored;
}

SoftLabels make_teacher(const Network& network, const SampleSource& source, const std::vector<std::uint32_t>& photos,
                        const StoredLogits& stored, bool include_new, const std::string& place) {
  const auto classes = static_cast<std::size_t>(network.classes());
  SoftLabels teacher;
  teacher.classes = network.classes();
  teacher.logits.assign(source.size() * classes, 0.0f);
  teacher.known.assign(source.size(), false);
  const auto put = [&](std::uint32_t item, const float* logits) {
    std::copy_n(logits, classes, teacher.logits.begin() + static_cast<std::ptrdiff_t>(item * classes));
    teacher.known[item] = true;
  };
  std::vector<std::uint32_t> missing;
  for (const std::uint32_t item : photos) {
    const std::string& file = source.name(item);
    const auto found = stored.find(file);
    if (found == stored.end()) {
      if (source.label(item) < network.classes() || include_new) missing.push_back(item);
      continue;
    }
    if (found->second.size() != classes)
      throw Error(place + ": stores " + std::to_string(found->second.size()) + " logits of photo " + file +
                  ", the checkpoint knows " + std::to_string(classes) + " people");
    put(item, found->second.data());
  }
  if (missing.empty()) return teacher;
  Inference inference(network, kSmallBatch);
  InferenceOptions options;
  options.logits = true;
  const Predictions predictions = inference.run(source, missing, options);
  for (std::size_t i = 0; i < missing.size(); ++i) put(missing[i], predictions.logits.data() + i * classes);
  return teacher;
}

}  // namespace tsugi
