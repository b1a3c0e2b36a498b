// Everything in a checkpoint that is not a tensor, to and from the header's __metadata__.
#include "engine/formats/checkpoint_metadata.h"

#include <nlohmann/json.hpp>
#include <set>

#include "engine/core/json_value.h"
#include "engine/core/sha256.h"
#include "engine/core/text.h"
#include "engine/data/photo.h"
#include "engine/data/photo_identity.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "tsugi-checkpoint";
constexpr const char* kVersion = "1";

// The JSON texts, and whether compact files keep them.
struct TextField {
  const char* key;
  std::string Checkpoint::*text;
  bool in_compact;
};
constexpr TextField kTexts[] = {{"model", &Checkpoint::model, true},
                                {"preprocessing", &Checkpoint::preprocessing, true},
                                {"settings", &Checkpoint::settings, true},
                                {"provenance", &Checkpoint::provenance, true},
                                {"people_photos", &Checkpoint::people_photos, true},
                                {"metrics", &Checkpoint::metrics, false}};

struct ListField {
  const char* key;
  std::vector<std::string> Checkpoint::*list;
  bool in_compact;
};
constexpr ListField kLists[] = {
    {"class_names", &Checkpoint::class_names, true},      {"personal_classes", &Checkpoint::personal_classes, true},
    {"train_photos", &Checkpoint::train_photos, false},   {"test_photos", &Checkpoint::test_photos, false},
    {"train_digests", &Checkpoint::train_digests, false}, {"test_digests", &Checkpoint::test_digests, false},
    {"train_prints", &Checkpoint::train_prints, false},   {"test_prints", &Checkpoint::test_prints, false}};

/// None, or one a photo; `what` they are.
void check_count(const std::vector<std::string>& texts, const char* what, const std::vector<std::string>& photos,
                 const std::string& place) {
  if (!texts.empty() && texts.size() != photos.size())
    throw Error(place + " has " + std::to_string(texts.size()) + " " + what + " of " + std::to_string(photos.size()) +
                " photos, as many expected");
}

void check_digests(const std::vector<std::string>& digests, const std::vector<std::string>& photos,
                   const std::string& place) {
  check_count(digests, "digests", photos, place);
  for (const std::string& digest : digests)
    if (!is_sha256_hex(digest)) throw Error(place + " holds " + shown(digest) + ", 64 lower-case hex digits expected");
}

void check_prints(const std::vector<std::string>& prints, const std::vector<std::string>& photos,
                  const std::string& place) {
  check_count(prints, "prints", photos, place);
  for (const std::string& print : prints)
    if (!print.empty()) (void)from_print(print, place);
}

void check_identities(const Checkpoint& checkpoint, const std::string& place) {
  check_digests(checkpoint.train_digests, checkpoint.train_photos, place + ": train_digests");
  check_digests(checkpoint.test_digests, checkpoint.test_photos, place + ": test_digests");
  check_prints(checkpoint.train_prints, checkpoint.train_photos, place + ": train_prints");
  check_prints(checkpoint.test_prints, checkpoint.test_photos, place + ": test_prints");
}

void check_classes(const Checkpoint& checkpoint, const std::string& place) {
  std::set<std::string> names;
  for (const auto& name : checkpoint.class_names) check_name(name, place + ": class_names");
  for (const auto& name : checkpoint.class_names)
    if (!names.insert(name).second) throw Error(place + ": class " + shown(name) + " stands twice, once expected");
  for (const auto& name : checkpoint.personal_classes)
    if (names.count(name) == 0)
      throw Error(place + ": personal class " + shown(name) + " is not among the " + std::to_string(names.size()) +
                  " class names");
}

/// Older versions wrote names as the folders had them.
void compose_names(Checkpoint& checkpoint) {
  for (auto* names : {&checkpoint.class_names, &checkpoint.personal_classes})
    for (std::string& name : *names) name = composed(name);
  for (auto* photos : {&checkpoint.train_photos, &checkpoint.test_photos})
    for (std::string& photo : *photos) photo = with_composed_class(photo);
}

const std::string& required(const std::map<std::string, std::string>& metadata, const char* key,
                            const std::string& place) {
  const auto found = metadata.find(key);
  if (found == metadata.end())
    throw Error(place + ": has no " + key + " in its metadata, one expected (not a tsugi checkpoint?)");
  return found->second;
}

}  // namespace

const char* name_of(CheckpointKind kind) {
  return kind == CheckpointKind::full ? "full" : kind == CheckpointKind::fp16 ? "fp16" : "int8";
}

std::map<std::string, std::string> format_metadata(const Checkpoint& checkpoint, CheckpointKind kind) {
  check_classes(checkpoint, "checkpoint");
  check_identities(checkpoint, "checkpoint");
  const bool full = kind == CheckpointKind::full;
  std::map<std::string, std::string> metadata{
      {"format", kFormat}, {"version", kVersion}, {"kind", name_of(kind)}, {"sha256", std::string(64, '0')}};
  for (const auto& field : kTexts) {
    const std::string& text = checkpoint.*field.text;
    check_json_object(text, std::string("checkpoint: ") + field.key);
    if (text != "{}" && (full || field.in_compact)) metadata[field.key] = text;
  }
  try {
    for (const auto& field : kLists) {
      const auto& list = checkpoint.*field.list;
      if (!list.empty() && (full || field.in_compact)) metadata[field.key] = json(list).dump();
    }
  } catch (const json::exception&) {
    throw Error("checkpoint: a class name or a photo's name is not UTF-8, UTF-8 expected");
  }
  const TrainingProgress& progress = checkpoint.progress;
  json position{{"seed", progress.seed}, {"epoch", progress.epoch}, {"batch", progress.batch}, {"step", progress.step}};
  if (progress.skipped_steps != 0) position["skipped_steps"] = progress.skipped_steps;
  if (progress.loss_scale != 0.0f) {  // a power of two: the text is exact
    position["loss_scale"] = progress.loss_scale;
    position["loss_scale_good_steps"] = progress.loss_scale_good_steps;
  }
  metadata["progress"] = position.dump();
  json counts{{"parameters", checkpoint.parameters.size()}, {"statistics", checkpoint.statistics.size()}};
  if (!checkpoint.people.empty()) counts["people"] = checkpoint.people.size();
  if (full && !checkpoint.strangers.empty()) counts["strangers"] = checkpoint.strangers.size();
  metadata["tensors"] = counts.dump();
  return metadata;
}

TensorCounts parse_metadata(const std::map<std::string, std::string>& metadata, const std::string& place,
                            Checkpoint& checkpoint) {
  const auto expect = [&](const char* key, const std::string& value) {
    const std::string& found = required(metadata, key, place);
    if (found != value) throw Error(place + ": " + key + " is " + shown(found) + ", " + shown(value) + " expected");
  };
  expect("format", kFormat);
  expect("version", kVersion);
  const std::string& kind = required(metadata, "kind", place);
  checkpoint.kind = kind == "fp16"   ? CheckpointKind::fp16
                    : kind == "int8" ? CheckpointKind::int8
                                     : CheckpointKind::full;
  expect("kind", name_of(checkpoint.kind));
  for (const auto& field : kTexts) {
    const auto found = metadata.find(field.key);
    if (found == metadata.end()) continue;
    check_json_object(found->second, place + ": " + field.key);
    checkpoint.*field.text = found->second;
  }
  for (const auto& field : kLists) {
    const auto found = metadata.find(field.key);
    if (found != metadata.end()) checkpoint.*field.list = parse_json_texts(found->second, place + ": " + field.key);
  }
  compose_names(checkpoint);
  check_classes(checkpoint, place);
  check_identities(checkpoint, place);
  const Json position = parse_json_object(required(metadata, "progress", place), place + ": progress");
  const JsonValue progress(position, place + ": progress");
  checkpoint.progress.seed = progress.at("seed").whole<std::uint64_t>();
  checkpoint.progress.epoch = progress.at("epoch").whole<std::uint32_t>();
  checkpoint.progress.batch = progress.at("batch").whole<std::uint32_t>();
  checkpoint.progress.step = progress.at("step").whole<std::uint32_t>();
  if (progress.has("skipped_steps"))
    checkpoint.progress.skipped_steps = progress.at("skipped_steps").whole<std::uint32_t>(0, checkpoint.progress.step);
  if (progress.has("loss_scale")) {
    checkpoint.progress.loss_scale =
        static_cast<float>(progress.at("loss_scale").number(1.0, static_cast<double>(kLargestLossScale)));
    checkpoint.progress.loss_scale_good_steps =
        progress.at("loss_scale_good_steps").whole<std::uint32_t>(0, kLossScaleInterval);
  }
  const Json tensors = parse_json_object(required(metadata, "tensors", place), place + ": tensors");
  const JsonValue counts(tensors, place + ": tensors");
  TensorCounts result;
  result.parameters = counts.at("parameters").whole<std::size_t>();
  result.statistics = counts.at("statistics").whole<std::size_t>();
  if (counts.has("people")) result.people = counts.at("people").whole<std::size_t>();
  const bool full = checkpoint.kind == CheckpointKind::full;
  if (counts.has("strangers")) result.strangers = counts.at("strangers").whole<std::size_t>(0, full ? SIZE_MAX : 0);
  return result;
}

}  // namespace tsugi
