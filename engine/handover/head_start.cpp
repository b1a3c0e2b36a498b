// Looks at the photos once, then computes.
#include "engine/handover/head_start.h"

#include <cmath>

#include "engine/core/text.h"
#include "engine/handover/head_draws.h"
#include "engine/handover/imprint.h"
#include "engine/handover/personal_people.h"

namespace tsugi {
namespace {

std::string text_of(const HeadTrade& trade) {
  const auto [low, high] = trade.personal.interval();
  const auto percent = [](double share) { return std::to_string(static_cast<int>(std::lround(100.0 * share))); };
  return percent(trade.personal.accuracy()) + " % (" + percent(low) + " to " + percent(high) + ")";
}

/// What the head is expected to do, and what other choices of --general-loss would.
void tell(const AnalyticHead& head, const std::function<void(const std::string&)>& say) {
  if (head.chosen.personal.photos == 0) return;
  say("personal photos, each left out of what its person is known by: " + text_of(head.chosen) + " of " +
      std::to_string(head.chosen.personal.photos) + " recognised, at a loss of " +
      number_text(head.chosen.general_loss) + " general points at most");
  std::string curve;
  for (const HeadTrade& trade : head.curve)
    curve += (curve.empty() ? "" : ", ") + number_text(trade.general_loss) + ": " + text_of(trade);
  say("by --general-loss " + curve);
}

/// Features of photos as they are, always in batches of one size: on one backend a row of a batch is computed as any
/// other, so that which photos come along does not show in a single bit.
HeadSamples features_of(const HeadStart& start, const std::vector<std::uint32_t>& photos) {
  Inference inference(start.network, kSmallBatch);
  InferenceOptions options;
  options.features = true;
  HeadSamples samples;
  samples.features = inference.run(start.source, photos, options).features;
  for (const std::uint32_t i : photos) samples.labels.push_back(start.source.label(i));
  return samples;
}

PeopleStatistics statistics_of(const HeadStart& start, const std::vector<std::uint32_t>& photos) {
  const HeadSamples samples = features_of(start, photos);
  FeatureStatistics gathered(static_cast<std::size_t>(start.first_new),
                             feature_width(start.network.model(), start.network.classes()), samples.features,
                             samples.labels);
  gathered.add(samples.features, samples.labels);
  PeopleStatistics statistics;
  gathered.store(statistics);
  return statistics;
}

void draw_rows(HeadRows& head, int first_new, std::uint64_t seed) {
  const std::size_t first = static_cast<std::size_t>(first_new) * head.width;
  fill_normal(seed, static_cast<std::uint32_t>(first_new), 0.01f, head.weight.data() + first,
              head.weight.size() - first);
}

void start_new_rows(const HeadStart& start, const std::vector<std::uint32_t>& personal, Checkpoint& checkpoint) {
  const std::string& name = start.network.model().layers.back().name;
  HeadRows rows = fetch_head(checkpoint, name);
  if (start.how == NewRow::random) {
    draw_rows(rows, start.first_new, checkpoint.progress.seed);
  } else {
    imprint_rows(rows, start.first_new, features_of(start, personal));
  }
  store_head(rows, name, checkpoint);
  checkpoint.people.clear();  // what it knows of them would not be all of them
  checkpoint.people_photos = "{}";
}

}  // namespace

double start_head(const HeadStart& start, std::optional<PeopleStatistics>& statistics, Checkpoint& checkpoint) {
  std::vector<std::uint32_t> general, personal;
  for (const std::uint32_t i : start.photos)
    (start.source.label(i) < start.first_new ? general : personal).push_back(i);
  if (start.how == NewRow::random || (!statistics && general.empty())) {
    start_new_rows(start, personal, checkpoint);
    return kUsualSpread;
  }
  if (!statistics) statistics = statistics_of(start, general);
  std::vector<std::string> names, digests;
  for (const std::uint32_t i : personal) {
    names.push_back(start.network.class_names()[static_cast<std::size_t>(start.source.label(i))]);
    digests.push_back(start.source.identity(i).file);
  }
  add_photos(*statistics, names, digests, features_of(start, personal));
  const AnalyticHead made = remake_head(checkpoint, start.network.model(), *statistics, start.general_loss);
  if (start.say) tell(made, start.say);
  return made.spread;
}

}  // namespace tsugi
