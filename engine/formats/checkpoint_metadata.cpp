// Everything in a checkpoint that is not a tensor, to and from the header's __metadata__.
#include "engine/formats/checkpoint_metadata.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/core/sha256.h"
#include "engine/data/photo.h"
#include "engine/formats/json_check.h"
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
                                {"metrics", &Checkpoint::metrics, false}};

struct ListField {
  const char* key;
  std::vector<std::string> Checkpoint::*list;
  bool in_compact;
};
constexpr ListField kLists[] = {
    {"class_names", &Checkpoint::class_names, true},      {"personal_classes", &Checkpoint::personal_classes, true},
    {"train_photos", &Checkpoint::train_photos, false},   {"test_photos", &Checkpoint::test_photos, false},
    {"train_digests", &Checkpoint::train_digests, false}, {"test_digests", &Checkpoint::test_digests, false}};

void check_digests(const std::vector<std::string>& digests, const std::vector<std::string>& photos,
                   const std::string& place) {
  if (!digests.empty() && digests.size() != photos.size())
    throw Error(place + " has " + std::to_string(digests.size()) + " digests of " + std::to_string(photos.size()) +
                " photos, as many expected");
  for (const std::string& digest : digests)
    if (!is_sha256_hex(digest)) throw Error(place + " holds " + shown(digest) + ", 64 lower-case hex digits expected");
}

void check_digests(const Checkpoint& checkpoint, const std::string& place) {
  check_digests(checkpoint.train_digests, checkpoint.train_photos, place + ": train_digests");
  check_digests(checkpoint.test_digests, checkpoint.test_photos, place + ": test_digests");
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

const std::string& required(const std::map<std::string, std::string>& metadata, const char* key,
                            const std::string& place) {
  const auto found = metadata.find(key);
  if (found == metadata.end())
    throw Error(place + ": has no " + key + " in its metadata, one expected (not a tsugi checkpoint?)");
  return found->second;
}

// A JSON object, or anything else that was wrapped into one to be checked; `place` opens the message.
json parse_object(const std::string& text, const std::string& place) {
  check_json_object(text, place);
  return json::parse(text);
}

// Reads a whole number of at most `most`.
std::uint64_t whole_number(const json& object, const char* key, std::uint64_t most, const std::string& place) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() > most)
    throw Error(place + ": " + key + " is " + (found == object.end() ? "missing" : shown(found->dump())) +
                ", a whole number up to " + std::to_string(most) + " expected");
  return found->get<std::uint64_t>();
}

std::vector<std::string> string_list(const std::string& text, const std::string& place) {
  const json object = parse_object("{\"list\":" + text + "}", place);
  const json& list = object.at("list");
  if (object.size() != 1 || !list.is_array() ||
      !std::all_of(list.begin(), list.end(), [](const json& item) { return item.is_string(); }))
    throw Error(place + ": is " + shown(text) + ", an array of strings expected");
  return list.get<std::vector<std::string>>();
}

}  // namespace

const char* name_of(CheckpointKind kind) {
  return kind == CheckpointKind::full ? "full" : kind == CheckpointKind::fp16 ? "fp16" : "int8";
}

std::map<std::string, std::string> format_metadata(const Checkpoint& checkpoint, CheckpointKind kind) {
  check_classes(checkpoint, "checkpoint");
  check_digests(checkpoint, "checkpoint");
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
  metadata["tensors"] =
      json{{"parameters", checkpoint.parameters.size()}, {"statistics", checkpoint.statistics.size()}}.dump();
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
    if (found != metadata.end()) checkpoint.*field.list = string_list(found->second, place + ": " + field.key);
  }
  check_classes(checkpoint, place);
  check_digests(checkpoint, place);
  const json progress = parse_object(required(metadata, "progress", place), place + ": progress");
  checkpoint.progress.seed = whole_number(progress, "seed", UINT64_MAX, place + ": progress");
  checkpoint.progress.epoch =
      static_cast<std::uint32_t>(whole_number(progress, "epoch", UINT32_MAX, place + ": progress"));
  checkpoint.progress.batch =
      static_cast<std::uint32_t>(whole_number(progress, "batch", UINT32_MAX, place + ": progress"));
  checkpoint.progress.step =
      static_cast<std::uint32_t>(whole_number(progress, "step", UINT32_MAX, place + ": progress"));
  if (progress.contains("skipped_steps"))
    checkpoint.progress.skipped_steps = static_cast<std::uint32_t>(
        whole_number(progress, "skipped_steps", checkpoint.progress.step, place + ": progress"));
  if (progress.contains("loss_scale")) {
    const json& scale = progress.at("loss_scale");
    if (!scale.is_number() ||
        !(scale.get<double>() >= 1.0 && scale.get<double>() <= static_cast<double>(kLargestLossScale)))
      throw Error(place + ": progress: loss_scale is " + shown(scale.dump()) + ", a number from 1 to " +
                  std::to_string(kLargestLossScale) + " expected");
    checkpoint.progress.loss_scale = scale.get<float>();
    checkpoint.progress.loss_scale_good_steps = static_cast<std::uint32_t>(
        whole_number(progress, "loss_scale_good_steps", kLossScaleInterval, place + ": progress"));
  }
  const json counts = parse_object(required(metadata, "tensors", place), place + ": tensors");
  TensorCounts result;
  result.parameters = static_cast<std::size_t>(whole_number(counts, "parameters", SIZE_MAX, place + ": tensors"));
  result.statistics = static_cast<std::size_t>(whole_number(counts, "statistics", SIZE_MAX, place + ": tensors"));
  return result;
}

}  // namespace tsugi
