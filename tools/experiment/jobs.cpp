// Fractions from text, and the grid as a list of jobs.
#include "tools/experiment/jobs.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/core/text.h"
#include "engine/train/settings.h"
#include "kernels/api/error.h"

namespace tsugi::tools {
namespace {

constexpr double kOverheadSamples = 3000;  // what decoding, bundling and evaluating take, in training samples

/// 0.1 + 0.2 is 0.3 here.
double rounded(double value) { return std::round(value * 1e6) / 1e6; }

double parse_number(const std::string& text, const std::string& part) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789.eE+-") == std::string::npos;
  char* end = nullptr;
  const double value = digits ? std::strtod(text.c_str(), &end) : 0.0;
  if (!digits || *end != '\0' || !std::isfinite(value))
    throw Error("fractions: \"" + part + "\" is neither a number nor start:stop:step");
  return value;
}

double checked_fraction(double value) {
  const double fraction = rounded(value);
  if (!(fraction >= 0.0 && fraction <= 1.0)) throw Error("fractions: " + number_text(value) + " is not in 0 to 1");
  return fraction;
}

void add_range(const std::vector<double>& range, const std::string& part, std::set<double>& fractions) {
  constexpr double kMost = 1000;
  const double start = checked_fraction(range[0]), stop = checked_fraction(range[1]), step = range[2];
  if (!(step > 0.0) || stop < start)
    throw Error("fractions: \"" + part + "\" must rise: start:stop:step with a step above 0");
  const double steps = std::floor((stop - start) / step + 1e-6);
  if (steps > kMost)
    throw Error("fractions: \"" + part + "\" has " + number_text(steps + 1) + " values, at most 1001 are allowed");
  for (int i = 0; i <= static_cast<int>(steps); ++i) fractions.insert(checked_fraction(start + i * step));
}

/// Training photos a person, by name.
std::map<std::string, double> training_photos(const PhotoFolder& folder, std::size_t most) {
  std::map<std::string, double> counts;
  for (const Photo& photo : folder.photos) counts[photo.class_name] += 1.0 - TrainSettings().test_fraction;
  for (auto& [name, count] : counts)
    if (most > 0) count = std::min(count, static_cast<double>(most));
  return counts;
}

double sum_of(const std::map<std::string, double>& counts, const std::vector<std::string>& names) {
  double sum = 0.0;
  for (const std::string& name : names) sum += counts.at(name);
  return sum;
}

}  // namespace

std::vector<double> parse_fractions(const std::string& text) {
  std::set<double> fractions;
  for (const std::string& part : separated(text, ',')) {
    std::vector<double> numbers;
    for (const std::string& number : separated(part, ':')) numbers.push_back(parse_number(number, part));
    if (numbers.size() == 1) {
      fractions.insert(checked_fraction(numbers[0]));
    } else if (numbers.size() == 3) {
      add_range(numbers, part, fractions);
    } else {
      throw Error("fractions: \"" + part + "\" is neither a number nor start:stop:step");
    }
  }
  return {fractions.begin(), fractions.end()};
}

std::vector<std::string> people_order(const PhotoFolder& folder) {
  std::map<std::string, std::size_t> counts;
  for (const Photo& photo : folder.photos) ++counts[photo.class_name];
  std::vector<std::string> names = folder.class_names;
  std::stable_sort(names.begin(), names.end(),
                   [&](const std::string& a, const std::string& b) { return counts[a] > counts[b]; });
  return names;
}

std::string Job::key() const {
  const std::string start = "p" + std::to_string(people) + "_s" + std::to_string(seed) + "_";
  if (kind == JobKind::pretrain) return start + "pretrained";
  if (kind == JobKind::alone) return start + "device-alone";
  return start + method + "_f" + number_text(fraction);
}

std::string Job::text() const {
  const std::string start = std::to_string(people) + " people, seed " + std::to_string(seed) + ", ";
  if (kind == JobKind::pretrain) return start + "pretraining";
  if (kind == JobKind::alone) return start + "device alone";
  return start + method + ", " + number_text(rounded(100.0 * fraction)) + " %";
}

std::vector<Job> list_jobs(const ExperimentSettings& settings, const PhotoFolder& general,
                           const PhotoFolder& personal) {
  TrainSettings defaults, device;
  apply_handover_defaults(device);
  const double variants = settings.variants > 0 ? settings.variants : defaults.variants;
  const double epochs = settings.epochs > 0 ? settings.epochs : defaults.epochs;
  const double handover_epochs = settings.handover_epochs > 0 ? settings.handover_epochs : device.epochs;
  const std::map<std::string, double> photos = training_photos(general, 0);
  const double own = sum_of(training_photos(personal, settings.personal_photos), personal.class_names);
  const std::vector<std::string> order = people_order(general);
  std::vector<int> counts = settings.people;
  std::sort(counts.rbegin(), counts.rend());
  const auto work = [&](double photo_count, double epoch_count) {
    return photo_count * variants * epoch_count + kOverheadSamples;
  };

  std::vector<Job> jobs, alone;
  for (int seed = 1; seed <= settings.seeds; ++seed)
    for (const int people : counts) {
      const bool largest = people == counts.front();
      const double sent = sum_of(photos, {order.begin(), order.begin() + people});
      const auto number = static_cast<std::uint64_t>(seed);
      jobs.push_back({JobKind::pretrain, people, number, "", 0.0, work(sent, epochs)});
      if (largest) alone.push_back({JobKind::alone, people, number, "", 0.0, work(sent + own, epochs)});
      for (const Method& method : settings.methods) {
        if (method.largest_only && !largest) continue;
        for (const double fraction : method.fractions.empty() ? settings.fractions : method.fractions)
          jobs.push_back(
              {JobKind::handover, people, number, method.name, fraction, work(fraction * sent + own, handover_epochs)});
      }
    }
  jobs.insert(jobs.end(), alone.begin(), alone.end());
  return jobs;
}

}  // namespace tsugi::tools
