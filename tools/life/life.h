// A device's life, repeated on photos of yours: people of the folder are held back from the server in turn, join a
// device one at a time and one after another, and leave it again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/handover/handover_settings.h"
#include "engine/train/evaluation.h"
#include "tools/console.h"
#include "tools/strangers.h"

namespace tsugi::tools {

struct LifeSettings {
  std::string people;                 ///< folder of people, a few of whom each server does without
  std::vector<std::string> personal;  ///< more personal people: folders of one person's photos, whom no server knows
  std::string strangers;        ///< folder of photos of people who are nobody's, whom each device meets; "" = none
  std::string train_strangers;  ///< of others, whom the servers learn beside their people; "" = none
  std::string out;
  std::vector<int> photos = {5, 10, 20, 86};  ///< of a person who joins
  std::vector<double> fractions = {0.0};      ///< of the server's photos that are sent when one person joins
  int seeds = 2, servers = 2, held_back = 4;  ///< servers a seed; people whom each does without
  int crowd_photos = 10;                      ///< at most, of each person when all join
  int epochs = 0;                             ///< of pretraining, 0 = default
  int release_epochs = 10;                    ///< that the next release trains on, 0 = there is none
  float general_loss = HandoverSettings().general_loss;
  std::string model = "faces-resnet", device = "auto", precision = "auto";
  int threads = 0;
};

/// What became of the server's people and of the personal ones in one hand-over.
struct LifeRow {
  std::string server;        ///< "seed-turn"
  std::string event;         ///< "joins": alone; "all": the first so many at once; "release": all, to the server's next
                             ///< release by their photos; "carried": by what the device knows; "leaves": the first left
  std::string person;        ///< who joined last, or left
  int people = 0;            ///< personal ones that the device then knows
  int photos = 0;            ///< of each, at most
  double fraction = 0.0;     ///< sent
  double before = 0.0;       ///< accuracy of the server's people, as received
  Tally general, personal;   ///< after
  std::string same;          ///< "yes" or "no": whether the device that lived through it one by one has the same bytes
  std::uintmax_t bytes = 0;  ///< of the device's checkpoint
  std::optional<StrangerResults> strangers;  ///< nothing where nobody asked, or where the device was trained
};

struct LifeSummary {
  bool stopped = false;
  std::vector<LifeRow> rows;
};

/// life.csv: a line a row, below the columns' names.
std::string life_csv(const std::vector<LifeRow>& rows);

/// Runs it all; servers that are trained already, in out/servers, are taken from there. Writes out/life.csv row by row.
/// Throws Error on unusable input before anything is written, and naming the value where `out` holds another life.
LifeSummary run_life(const LifeSettings& settings, Console& console, FileLog* files);

/// Writes out/index.html of these rows. command: what repeats it. Returns its path.
std::string write_life_report(const LifeSettings& settings, const std::vector<LifeRow>& rows,
                              const std::string& command, const std::function<void(const std::string&)>& say,
                              FileLog* files);

}  // namespace tsugi::tools
