// Fuzz targets of what training reads: models, settings, histories, and what a bundle carries beside photos.
#include <algorithm>
#include <cmath>

#include "engine/core/sha256.h"
#include "engine/handover/bundle.h"
#include "engine/handover/feature_bundle.h"
#include "engine/handover/handover_settings.h"
#include "engine/handover/people_statistics.h"
#include "engine/handover/release.h"
#include "engine/model/description.h"
#include "engine/train/metrics.h"
#include "engine/train/settings.h"
#include "tests/fuzz/targets.h"

namespace tsugi::fuzz {
namespace {

constexpr std::size_t kBlock = 512;

/// The number at `at` in a tar's header, octal.
std::size_t octal(const Bytes& tar, std::size_t at, std::size_t digits) {
  std::size_t value = 0;
  for (std::size_t i = at; i < at + digits; ++i)
    if (tar[i] >= '0' && tar[i] <= '7') value = value * 8 + (tar[i] - '0');
  return value;
}

void write_checksum(Bytes& tar, std::size_t header) {
  std::fill_n(&tar[header + 148], 8, std::uint8_t{' '});
  unsigned sum = 0;
  for (std::size_t i = header; i < header + kBlock; ++i) sum += tar[i];
  for (std::size_t i = 0; i < 6; ++i) tar[header + 148 + i] = static_cast<std::uint8_t>('0' + (sum >> 3 * (5 - i)) % 8);
  tar[header + 154] = 0;
}

/// A tar with the digests of its manifest made right, in the order of its members, and the checksums of its headers;
/// the checkpoint gets its own digest first. What is broken beyond that stays so.
Bytes sealed(Bytes tar) {
  const std::string key = "\"sha256\":\"";
  auto digits = tar.begin();
  for (std::size_t at = 0, member = 0; at + kBlock <= tar.size();) {
    const std::size_t size = octal(tar, at + 124, 11), begin = at + kBlock;
    const bool named = tar[at + 156] == '0';  // not the block of a long name
    if (tar[at] != 0) write_checksum(tar, at);
    if (size > tar.size() - begin) break;
    if (named && member > 0) {
      Bytes content(&tar[0] + begin, &tar[0] + begin + size);
      if (member == 1) content = with_right_digest(std::move(content));
      std::copy(content.begin(), content.end(), tar.begin() + static_cast<std::ptrdiff_t>(begin));
      digits = std::search(digits, tar.end(), key.begin(), key.end());
      if (tar.end() - digits < static_cast<std::ptrdiff_t>(key.size() + 64)) break;
      digits += static_cast<std::ptrdiff_t>(key.size());
      const std::string digest = sha256_hex(content);
      std::copy(digest.begin(), digest.end(), digits);
    }
    member += named ? 1 : 0;
    at = begin + (size + kBlock - 1) / kBlock * kBlock;
  }
  return tar;
}

void check(const PeopleStatistics& knowledge) {
  for (const auto* values :
       {&knowledge.logits, &knowledge.feature_mean, &knowledge.feature_covariance, &knowledge.feature_count})
    expect(std::all_of(values->begin(), values->end(), [](float value) { return std::isfinite(value); }),
           "knowledge: not finite");
}

void check(const CutBundle& cut, const Checkpoint& checkpoint) {
  const FeatureSet set = feature_set(cut.features, checkpoint.class_names);
  std::size_t rows = 0;
  for (const FeatureItem& item : set.items) {
    expect(item.label >= 0 && item.label < static_cast<int>(checkpoint.class_names.size()),
           "activations: a label of nobody");
    rows += item.variants;
  }
  expect(set.rows.size() == rows * set.shape.count(), "activations: rows that are not there");
}

void check(const FeatureMap& map) {
  const std::vector<float> mapped = map.apply(std::vector<float>(2 * map.from, 1.0f));
  expect(mapped.size() == 2 * map.to && map.shift.size() == map.to, "previous: sizes that do not fit");
  expect(std::all_of(mapped.begin(), mapped.end(), [](float value) { return std::isfinite(value); }),
         "previous: not finite");
}

/// What a hand-over reads of a bundle before it trains.
void read_all(const Bundle& bundle) {
  const Model model = parse_model(bundle.checkpoint.model, "input: model");
  const auto cut = cut_bundle(bundle, model, "input");
  if (cut) check(*cut, bundle.checkpoint);
  const auto photos = cut ? std::optional<std::size_t>(cut->features.train_files.size()) : std::nullopt;
  if (const auto knowledge = read_people_statistics(bundle, model, "input", photos)) check(*knowledge);
  const std::size_t width = feature_width(model, static_cast<int>(bundle.checkpoint.class_names.size()));
  if (const auto map = read_feature_map(bundle, width, "input")) check(*map);
}

/// The bytes as the arrays `name` of the bundle that the seeds have of it.
bool read_arrays(const Bytes& seed, const char* name, const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    Bundle bundle = decode_bundle(seed);
    bundle.tensors[name] = decode_safetensors(bytes, size, "input");
    read_all(bundle);
  });
}

}  // namespace

bool sealed_bundle(const std::uint8_t* bytes, std::size_t size) {
  const Bytes tar = sealed({bytes, bytes + size});
  return accepts([&] { read_all(decode_bundle(tar)); });
}

bool knowledge(const std::uint8_t* bytes, std::size_t size) {
  static const Bytes seed = seeds::sealed_bundle().front();
  return read_arrays(seed, kKnowledgeName, bytes, size);
}

bool feature_map(const std::uint8_t* bytes, std::size_t size) {
  static const Bytes seed = seeds::sealed_bundle().front();
  return read_arrays(seed, kPreviousName, bytes, size);
}

bool activations(const std::uint8_t* bytes, std::size_t size) {
  static const Bytes seed = seeds::sealed_bundle().back();
  return read_arrays(seed, kActivationsName, bytes, size);
}

bool model(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    const Model content = parse_model(text_of(bytes, size), "input");
    const Model back = parse_model(content.json, "again");
    expect(back.layers.size() == content.layers.size() && back.input == content.input, "model: round trip");
    for (const SampleShape& shape : infer_shapes(content, 3))
      expect(shape.h > 0 && shape.w > 0 && shape.c > 0, "model: an empty shape");
    for (const LayerCost& cost : layer_costs(content, 3))
      expect(cost.forward_flops >= 0.0, "model: a layer of negative cost");
    TrainSettings settings;
    apply_recorded(settings, content.training, "input: training");
  });
}

bool settings(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    const NamedSettings named = named_settings(text_of(bytes, size), "input");
    TrainSettings content;
    HandoverSettings own;
    named.train.apply(content, "input");
    named.handover.apply(own, "input");
    const std::string text = to_json(content, own);
    expect(to_json(named_settings(text, "again")) == text, "settings: round trip");
    expect(to_json(named_settings(to_json(named), "again")) == to_json(named), "named settings: round trip");
  });
}

bool preprocessing(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    const Preprocessing content = preprocessing_from_json(text_of(bytes, size), "input");
    expect(to_json(preprocessing_from_json(to_json(content), "again")) == to_json(content),
           "preprocessing: round trip");
  });
}

bool metrics(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    const MetricsHistory content = metrics_from_json(text_of(bytes, size), "input");
    const MetricsHistory back = metrics_from_json(to_json(content), "again");
    expect(back.rows.size() == content.rows.size() && back.before.size() == content.before.size(),
           "metrics: round trip");
  });
}

}  // namespace tsugi::fuzz
