// Directions of people and photos, and quantiles of their cosines.
#include "engine/handover/known_people.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/handover/handover_settings.h"
#include "engine/handover/head_rows.h"

namespace tsugi {
namespace {

using Vector = std::vector<double>;

double cosine(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

Vector doubles_of(const float* feature, std::size_t width) { return Vector(feature, feature + width); }

/// The value with the share `below` (0 to 1) of the ascending ones below it, between two of them by their distance.
template <class Value>
double quantile(const std::vector<Value>& ascending, double below) {
  const double at = std::clamp(below, 0.0, 1.0) * static_cast<double>(ascending.size() - 1);
  const auto first = static_cast<std::size_t>(at), second = std::min(first + 1, ascending.size() - 1);
  const double share = at - static_cast<double>(first);
  return (1.0 - share) * static_cast<double>(ascending[first]) + share * static_cast<double>(ascending[second]);
}

/// Of all the photos behind equally spaced quantiles.
double mean_behind(const std::vector<float>& quantiles) {
  double sum = -0.5 * static_cast<double>(quantiles.front() + quantiles.back());
  for (const float value : quantiles) sum += static_cast<double>(value);
  return sum / static_cast<double>(quantiles.size() - 1);
}

/// How well the photos of a person fit it, each left out of what it is known by; of two photos at least.
double mean_left_out(const PersonalPerson& person, const Whitening& whitening, std::size_t width) {
  const Vector sum = feature_sum(person, width);
  double cosines = 0.0;
  for (std::size_t i = 0; i < person.digests.size(); ++i)
    cosines += cosine(whitening.direction(mean_without(person, sum, i)),
                      whitening.direction(doubles_of(&person.features[i * width], width)));
  return cosines / static_cast<double>(person.digests.size());
}

}  // namespace

KnownPeople::KnownPeople(const PeopleStatistics& statistics, double accept, bool bias)
    : whitening_(statistics, bias), width_(statistics.width) {
  const std::vector<float>& held_out = statistics.held_out_scores;
  if (!held_out.empty()) threshold_ = quantile(held_out, 1.0 - accept);
  for (std::size_t c = 0; c < statistics.classes; ++c) {
    directions_.push_back(whitening_.direction(doubles_of(&statistics.feature_mean[c * width_], width_)));
    raised_.push_back(0.0);
  }
  for (const PersonalPerson& person : statistics.personal) {
    const std::size_t photos = person.digests.size();
    Vector mean = feature_sum(person, width_);
    for (double& value : mean) value /= static_cast<double>(std::max<std::size_t>(photos, 1));
    directions_.push_back(whitening_.direction(mean));
    const bool measured = photos > 1 && !held_out.empty();
    // Photos of one burst fit each other better than any that will come: they lower no score.
    const double lacks = measured ? mean_behind(held_out) - mean_left_out(person, whitening_, width_) : 0.0;
    raised_.push_back(kRaisedShare * std::max(lacks, 0.0));
  }
}

Vector KnownPeople::cosines(const float* feature) const {
  const Vector direction = whitening_.direction(doubles_of(feature, width_));
  Vector cosines;
  for (const Vector& person : directions_) cosines.push_back(cosine(person, direction));
  return cosines;
}

double KnownPeople::verification(const Vector& cosines, std::size_t person) {
  double other = -1.0;
  for (std::size_t i = 0; i < cosines.size(); ++i)
    if (i != person) other = std::max(other, cosines[i]);
  return cosines.at(person) - 0.5 * other;
}

std::optional<KnownPeople> known_people(const Checkpoint& checkpoint, const Model& model, const std::string& place,
                                        std::optional<double> accept) {
  const std::optional<PeopleStatistics> statistics = read_people(checkpoint, model, place);
  if (!statistics) return std::nullopt;
  const HandoverSettings settings = named_settings(checkpoint.settings, place + ": settings").handover.values;
  return KnownPeople(*statistics, accept.value_or(static_cast<double>(settings.accept)), has_bias(checkpoint, model));
}

std::vector<float> score_quantiles(std::vector<double> scores) {
  std::vector<float> quantiles;
  std::sort(scores.begin(), scores.end());
  for (std::size_t i = 0; i < kScoreQuantiles && !scores.empty(); ++i) {
    const double value = quantile(scores, static_cast<double>(i) / static_cast<double>(kScoreQuantiles - 1));
    const auto nearest = static_cast<float>(value);
    const bool above = static_cast<double>(nearest) > value;  // a photo on the border stays accepted
    quantiles.push_back(above ? std::nextafter(nearest, -2.0f) : nearest);
  }
  return quantiles;
}

double auroc(std::vector<double> positive, const std::vector<double>& negative) {
  std::sort(positive.begin(), positive.end());
  double higher = 0.0;
  for (const double score : negative) {
    const auto [first, last] = std::equal_range(positive.begin(), positive.end(), score);
    higher += static_cast<double>(positive.end() - last) + 0.5 * static_cast<double>(last - first);
  }
  const double pairs = static_cast<double>(positive.size()) * static_cast<double>(negative.size());
  return pairs > 0.0 ? higher / pairs : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace tsugi
