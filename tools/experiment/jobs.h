// What an experiment consists of: its settings, and the jobs that follow from them, in the order in which they run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/scan.h"
#include "tools/experiment/methods.h"

namespace tsugi::tools {

struct ExperimentSettings {
  std::string general;   ///< folder of people
  std::string personal;  ///< one person's folder, or a folder of such folders
  std::string out;
  std::vector<int> people = {10, 20, 30};
  std::vector<double> fractions;  ///< of the general training photos, ascending
  int seeds = 5;                  ///< 1 to this
  std::vector<Method> methods;
  std::string model = "faces-resnet";
  int size = 0;                      ///< 0 = as the model says
  int epochs = 0;                    ///< of pretraining and of the device alone, 0 = their default
  int handover_epochs = 0;           ///< 0 = resume's default
  int variants = 0;                  ///< of a photo, 0 = default
  std::size_t personal_photos = 86;  ///< as in the source paper; 0 = all
  std::string device = "auto", precision = "auto";
  int threads = 0;
  bool keep = false;  ///< bundles and the devices' checkpoints, in OUT/kept
};

/// Ascending, distinct fractions from a list of numbers and ranges start:stop:step, both ends included:
/// "0,0.05,0.1:1:0.1". Fractions are rounded to six decimals. Throws Error naming the part and its value on anything
/// else, and outside 0 to 1.
std::vector<double> parse_fractions(const std::string& text);

/// The people of a folder in the order in which an experiment takes them: most photos first, by name among equals. It
/// does not depend on the seed, so that seeds vary the split, the weights and the draws only.
std::vector<std::string> people_order(const PhotoFolder& folder);

enum class JobKind {
  pretrain,  ///< the server's checkpoint
  alone,     ///< a device that trains on everything from nothing
  handover   ///< a bundle, resumed
};

struct Job {
  JobKind kind = JobKind::pretrain;
  int people = 0;
  std::uint64_t seed = 1;
  std::string method;     ///< of a hand-over
  double fraction = 0.0;  ///< of a hand-over
  double work = 0.0;      ///< estimated: training samples, and what decoding and evaluating cost in such

  /// The name of its files: "p30_s1_pretrained", "p30_s1_default_f0.1".
  std::string key() const;
  /// For people: "30 people, seed 1, default, 10 %".
  std::string text() const;
};

/// Every job of the grid; seeds outermost, so that an unfinished experiment has whole grids of the first seeds; most
/// people first, whose table is the one that is read first. The device alone, which is long and which nothing waits
/// for, runs with most people only, at the end. general, personal: the scanned folders.
std::vector<Job> list_jobs(const ExperimentSettings& settings, const PhotoFolder& general, const PhotoFolder& personal);

}  // namespace tsugi::tools
