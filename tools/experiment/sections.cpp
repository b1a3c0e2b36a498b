// Tables and sentences of the report.
#include "tools/experiment/sections.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/core/text.h"
#include "tools/console.h"
#include "tools/html.h"

namespace tsugi::tools {
namespace {

double general_change(const Cell& cell) { return cell.general - cell.general_before; }
double start_change(const Cell& cell) { return cell.start_general - cell.general_before; }

std::string percents(double fraction) { return number_text(std::round(fraction * 1e4) / 1e2) + " %"; }

/// A folder's name as a person's.
std::string person_name(std::string folder) {
  std::replace(folder.begin(), folder.end(), '_', ' ');
  return folder;
}

std::string method_name(const std::string& method) { return method == "paper" ? "the paper's way" : method; }

/// The fraction of the forgetting table and the headline: the one nearest to 10 %.
double chosen_fraction(const Results& results, int people, const std::string& method) {
  constexpr double kChosen = 0.1;
  const std::vector<double> fractions = results.fractions(people, method);
  return fractions.empty() ? std::nan("")
                           : *std::min_element(fractions.begin(), fractions.end(), [](double a, double b) {
                               return std::abs(a - kChosen) < std::abs(b - kChosen);
                             });
}

Place handover(int people, const std::string& method, double fraction) {
  return {JobKind::handover, people, method, fraction};
}

std::string mean_text(const Results& results, const Place& place, const Results::Value& value, bool signs = false) {
  return percent_text(results.over_seeds(place, value), signs);
}

std::string mean_bytes(const Results& results, const Place& place, const Results::Value& value) {
  const Estimate estimate = results.over_seeds(place, value);
  return estimate.n == 0 ? "–" : bytes_text(estimate.mean);
}

std::string seconds_text(double seconds) {
  return std::isfinite(seconds)
             ? number_text(seconds < 10.0 ? std::round(seconds * 10.0) / 10.0 : std::round(seconds)) + " s"
             : "–";
}

std::string rounded_text(double value) { return std::isfinite(value) ? std::to_string(std::lround(value)) : "–"; }

/// "4.2 times less".
std::string times_text(double factor, const char* word) {
  return std::isfinite(factor) ? number_text(std::round(factor * 10.0) / 10.0) + " times " + word : "–";
}

std::string whole_percent(const Estimate& share) {
  return std::to_string(std::lround(100.0 * share.mean)) + interval_text(share, 0) + " %";
}

/// A setting as people write it: float32 values without the digits that they do not have.
std::string setting_text(const Json& value) {
  if (value.is_number_float()) return format("%.6g", value.get<double>());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// The settings of pretraining in full, and what is different in the other runs.
std::string settings_table(const Results& results) {
  std::map<std::string, std::set<std::string>> differing;  // by runs
  const auto first = std::find_if(results.cells().begin(), results.cells().end(),
                                  [](const Cell& c) { return c.job.kind == JobKind::pretrain; });
  if (first == results.cells().end()) return "";
  for (const Cell& cell : results.cells()) {
    std::string text;
    for (const auto& [name, value] : cell.settings.items())
      if (name != "seed" &&
          (!first->settings.contains(name) || setting_text(first->settings[name]) != setting_text(value)))
        text += (text.empty() ? "" : ", ") + name + " " + setting_text(value);
    if (cell.job.kind != JobKind::pretrain || !text.empty())
      differing[cell.job.kind == JobKind::handover ? cell.job.method
                : cell.job.kind == JobKind::alone  ? "device alone"
                                                   : "pretraining"]
          .insert(text);
  }
  std::string all;
  for (const auto& [name, value] : first->settings.items())
    if (name != "seed") all += (all.empty() ? "" : ", ") + name + " " + setting_text(value);
  std::vector<HtmlRow> rows = {{"pretraining", all}};
  for (const auto& [runs, texts] : differing)
    for (const std::string& text : texts)
      rows.push_back({runs, (text.empty() ? "the same" : "the same but " + text) +
                                (texts.size() > 1 ? " (some cells only: another build or other options)" : "")});
  return html_table("Settings of the runs", {}, rows, true);
}

/// Which runs reach it, where not all do.
std::string reached_text(const Results::Catch& caught) {
  if (caught.reached == caught.seeds) return "";
  return " (" + std::to_string(caught.reached) + " of " + std::to_string(caught.seeds) + " seeds)";
}

/// What a hand-over ends with and after how long, how long the device alone needs for that, and the hand-over for what
/// the device alone ends with.
std::string race_text(const Results& results, const Place& place, const Place& alone) {
  const Results::Catch behind = results.catch_up(alone, place), ahead = results.catch_up(place, alone);
  std::string text =
      mean_text(results, place, &Cell::accuracy) + " % overall after " + seconds_text(behind.whole.mean) + ". ";
  text += behind.reached == 0
              ? "The device alone never has that. "
              : "The device alone needs " + seconds_text(behind.seconds.mean) + reached_text(behind) + " for that. ";
  text += "What it ends with, " + mean_text(results, alone, &Cell::accuracy) + " % after " +
          seconds_text(ahead.whole.mean) + ", the hand-over ";
  return text + (ahead.reached == 0 ? "never has."
                                    : "has after " + seconds_text(ahead.seconds.mean) + ", " +
                                          whole_percent(ahead.share) + " of the time" + reached_text(ahead) + ".");
}

}  // namespace

std::string headline_section(const Results& results) {
  const int people = results.largest();
  std::vector<HtmlRow> rows;
  const Place alone{JobKind::alone, people, "", 0.0};
  for (const std::string method : {"default", "paper"})
    for (const double fraction : {0.1, 1.0}) {
      const Place place = handover(people, method, fraction);
      if (!results.at(place).empty() && !results.at(alone).empty())
        rows.push_back({"Hand-over, " + percents(fraction) + " sent" + (method == "paper" ? ", the paper's way" : ""),
                        race_text(results, place, alone)});
    }
  const double chosen = chosen_fraction(results, people, "default");
  if (std::isfinite(chosen)) {
    const Place place = handover(people, "default", chosen);
    const std::string sent = ", " + percents(chosen) + " sent";
    const auto add = [&](const std::string& what, const std::string& value) { rows.push_back({what + sent, value}); };
    add("General people, change in points", mean_text(results, place, general_change, true));
    add("Personal, % recognised", mean_text(results, place, &Cell::personal));
    add("Personal, % recognised before any training step", mean_text(results, place, &Cell::start_personal));
    add("General people, change in points before any training step", mean_text(results, place, start_change, true));
    add("Photos that must travel", mean_bytes(results, place, &Cell::photo_bytes) + " of " +
                                       mean_bytes(results, handover(people, "default", 1.0), &Cell::photo_bytes));
  }
  rows.push_back({"Personal data that left the device", "none"});
  return html_table(std::to_string(people) + " general people, " + std::to_string(results.seeds()) +
                        " seeds, tsugi's own settings where nothing else is said; ± is the 95 % interval of the mean",
                    {}, rows, true);
}

std::string fraction_tables(const Results& results, int people) {
  std::string html;
  for (const std::string& method : results.methods(false)) {
    std::vector<HtmlRow> rows;
    for (const double fraction : results.fractions(people, method)) {
      const Place place = handover(people, method, fraction);
      rows.push_back({percents(fraction), mean_text(results, place, &Cell::accuracy),
                      mean_text(results, place, &Cell::general), mean_text(results, place, general_change, true),
                      mean_text(results, place, &Cell::personal)});
    }
    if (!rows.empty())
      html +=
          html_table(std::to_string(people) + " people, " + method_name(method) + " (" + results.what(method) + "), %",
                     {"sent", "overall", "general", "change", "personal"}, rows);
  }
  std::vector<HtmlRow> rows;
  const Place server{JobKind::pretrain, people, "", 0.0}, alone{JobKind::alone, people, "", 0.0};
  const auto add = [&](const char* name, const Place& place, double Cell::*overall, double Cell::*general,
                       double Cell::*personal) {
    rows.push_back({name, mean_text(results, place, overall), mean_text(results, place, general),
                    mean_text(results, place, personal)});
  };
  if (!results.at(server).empty())
    rows.push_back({"checkpoint as sent", "–", mean_text(results, server, &Cell::accuracy), "–"});
  const std::vector<double> fractions = results.fractions(people, "default");
  if (!fractions.empty())
    add("no training", handover(people, "default", fractions.back()), &Cell::start, &Cell::start_general,
        &Cell::start_personal);
  if (!results.at(alone).empty()) add("device alone", alone, &Cell::accuracy, &Cell::general, &Cell::personal);
  if (!rows.empty())
    html += html_table(
        std::to_string(people) +
            " people, to compare with, %; no training: the checkpoint with its new row, before the first step",
        {"", "overall", "general", "personal"}, rows);
  return html_side_by_side(html);
}

std::string features_section(const Results& results) {
  const int people = results.largest();
  std::vector<HtmlRow> rows;
  for (const double fraction : results.fractions(people, "features")) {
    const Place photos = handover(people, "default", fraction), features = handover(people, "features", fraction);
    if (results.at(photos).empty()) continue;
    const auto add = [&](const char* what, const std::string& before, const std::string& after,
                         const std::string& change) {
      rows.push_back({percents(fraction) + ": " + what, before, after, change});
    };
    const auto compare = [&](const char* what, const Results::Value& value, bool signs) {
      add(what, mean_text(results, photos, value, signs), mean_text(results, features, value, signs),
          percent_text(results.difference(features, photos, value), true));
    };
    compare("general, change", general_change, true);
    compare("personal", &Cell::personal, false);
    add("bytes", mean_bytes(results, photos, &Cell::photo_bytes), mean_bytes(results, features, &Cell::feature_bytes),
        "");
    const double share = results.over_seeds(features, &Cell::step_flops_share).mean;
    const double flops = results.over_seeds(features, &Cell::step_flops).mean / 1e6;
    add("million FLOPs a training sample", rounded_text(flops / share), rounded_text(flops),
        times_text(1.0 / share, "less"));
    const auto speed = [](const Cell& c) { return c.timing.images_per_s; };
    const double before = results.over_seeds(photos, speed).mean, after = results.over_seeds(features, speed).mean;
    add("training samples a second", rounded_text(before), rounded_text(after), times_text(after / before, "more"));
  }
  if (rows.empty()) return "";
  return html_heading("Features instead of photos") +
         html_paragraph(
             "tsugi bundle --as features sends the photos' activations at a layer of the network, 8 bits a value, "
             "augmented on the server. The device trains what lies above that layer, on its own photos' activations "
             "too: nobody's photo leaves its machine. " +
             std::to_string(people) +
             " people; accuracies in %, differences on the same seeds. FLOPs of photos are those of training the whole "
             "network; tsugi's own settings freeze a part of it, so that samples a second differ less.") +
         html_table("", {"sent", "photos", "features", "difference"}, rows);
}

std::string ablation_section(const Results& results) {
  const std::vector<std::string> ingredients = results.methods(true);
  const int people = results.largest();
  std::set<double> fractions;
  for (const std::string& method : ingredients)
    for (const double fraction : results.fractions(people, method)) fractions.insert(fraction);
  if (fractions.empty()) return "";
  std::string html =
      html_heading("Which ingredient brings what") +
      html_paragraph("The default, and the default with one ingredient switched off each, for " +
                     std::to_string(people) +
                     " people. General: the change of the general people's accuracy by the hand-over, in points. Δ is "
                     "the difference to the default on the same seeds: what is lost or won without the ingredient.");
  std::vector<HtmlRow> meanings;
  for (const std::string& method : ingredients) meanings.push_back({method, results.what(method)});
  html += html_table("", {}, meanings, true);
  std::string tables;
  for (const double fraction : fractions) {
    std::vector<HtmlRow> rows;
    const Place base = handover(people, "default", fraction);
    const auto row = [&](const std::string& name, const Place& place, bool compared) {
      const auto difference = [&](const Results::Value& value) {
        return compared ? percent_text(results.difference(place, base, value), true) : "";
      };
      rows.push_back({name, mean_text(results, place, general_change, true), mean_text(results, place, &Cell::personal),
                      difference(general_change), difference(&Cell::personal)});
    };
    if (!results.at(base).empty()) row("default", base, false);
    for (const std::string& method : ingredients) {
      const Place place = handover(people, method, fraction);
      if (!results.at(place).empty()) row(method, place, true);
    }
    tables += html_table(percents(fraction) + " sent", {"", "general", "personal", "Δ general", "Δ personal"}, rows);
  }
  return html + html_side_by_side(tables);
}

std::string forgetting_section(const Results& results) {
  const int people = results.largest();
  const double fraction = chosen_fraction(results, people, "default");
  if (!std::isfinite(fraction)) return "";
  struct Sums {
    bool personal = false;
    double photos = 0.0, before = 0.0, after = 0.0, paper_photos = 0.0, paper = 0.0;
    double change() const {
      return personal ? 2.0 : photos > 0.0 ? (after - before) / photos : 1.5;
    }  // never NaN: it is sorted by
  };
  std::map<std::string, Sums> sums;
  for (const Cell* cell : results.at(handover(people, "default", fraction)))
    for (const PersonResult& person : cell->people) {
      Sums& sum = sums[person.name];
      sum.personal = person.personal;
      sum.photos += static_cast<double>(person.photos);
      sum.before += static_cast<double>(person.correct_before);
      sum.after += static_cast<double>(person.correct);
    }
  bool paper = false;
  for (const Cell* cell : results.at(handover(people, "paper", fraction)))
    for (const PersonResult& person : cell->people) {
      paper = true;
      sums[person.name].paper_photos += static_cast<double>(person.photos);
      sums[person.name].paper += static_cast<double>(person.correct);
    }
  std::vector<std::pair<std::string, Sums>> order(sums.begin(), sums.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second.change() < b.second.change(); });
  const auto share = [](double part, double whole, bool signs = false) {
    return percent_text({part / whole, std::nan(""), 1}, signs);
  };
  std::vector<HtmlRow> rows;
  for (const auto& [name, sum] : order) {
    rows.push_back({person_name(name) + (sum.personal ? " (personal)" : ""), std::to_string(std::lround(sum.photos)),
                    sum.personal ? "–" : share(sum.before, sum.photos), share(sum.after, sum.photos),
                    sum.personal ? "–" : share(sum.after - sum.before, sum.photos, true)});
    if (paper) rows.back().push_back(share(sum.paper, sum.paper_photos));
  }
  HtmlRow heading = {"", "n", "before", "after", "change"};
  if (paper) heading.push_back("paper's");
  return html_heading("Who was forgotten") +
         html_paragraph("Person by person, before and after the hand-over with " + percents(fraction) +
                        " of the photos of " + std::to_string(people) +
                        " people: % of n test photos recognised, those of all seeds together, the largest loss first. "
                        "Paper's: after the hand-over in the paper's way.") +
         html_table("", heading, rows);
}

std::string bytes_section(const Results& results) {
  const int people = results.largest();
  std::string tables;
  for (const std::string& method : results.methods(false)) {
    std::vector<HtmlRow> rows;
    for (const double fraction : results.fractions(people, method)) {
      const Place place = handover(people, method, fraction);
      rows.push_back({percents(fraction), rounded_text(results.over_seeds(place, &Cell::photos_sent).mean),
                      mean_bytes(results, place, method == "features" ? &Cell::feature_bytes : &Cell::photo_bytes),
                      mean_bytes(results, place, &Cell::knowledge_bytes), mean_bytes(results, place, [](const Cell& c) {
                        return static_cast<double>(c.timing.bundle_bytes - c.timing.test_bytes);
                      })});
    }
    tables +=
        html_table(std::to_string(people) + " people, " + method_name(method) + ", mean of the seeds",
                   {"sent", "photos", method == "features" ? "features" : "their bytes", "knowledge", "in all"}, rows);
  }
  std::vector<double> checkpoints;
  for (const Cell& cell : results.cells())
    if (cell.job.kind == JobKind::handover && cell.job.people == people)
      checkpoints.push_back(static_cast<double>(cell.timing.checkpoint_bytes));
  const std::string checkpoint = checkpoints.empty() ? "–" : bytes_text(estimate(checkpoints).mean);
  return html_heading("What travelled") + html_side_by_side(tables) +
         html_paragraph("The server sent a checkpoint that no personal photo ever touched (" + checkpoint +
                        "), the chosen training photos of general people, and what it knows of them (knowledge: its "
                        "own answers to the photos sent, and the mean and spread of everyone's features). Test photos "
                        "travelled, too, only to measure forgetting on the device; “in all” leaves them out.") +
         html_paragraph(
             "The device sent nothing. Personal photos were read where they lie, and what they taught stays in the "
             "device's own checkpoint: tsugi bundle refuses it and names the people. tsugi resume --audit FILE.json "
             "lists every file that a hand-over reads and writes, with digests; it opens no socket.");
}

std::string repeat_section(const Results& results) {
  const Json about = results.about().value("about", Json::object()), identity = results.about().at("identity");
  std::set<std::string> builds, finished;
  for (const Cell& cell : results.cells()) {
    builds.insert("tsugi " + cell.tsugi + (cell.commit.empty() ? "" : ", commit " + cell.commit) + " (" + cell.build +
                  ")");
    finished.insert(cell.timing.finished);
  }
  std::vector<HtmlRow> rows;
  if (about.contains("machine")) rows.push_back({"machine", setting_text(about["machine"])});
  for (const auto& [name, value] : identity.items()) rows.push_back({name, setting_text(value)});
  for (const std::string& build : builds) rows.push_back({"made with", build});
  if (!finished.empty()) rows.push_back({"cells finished", *finished.begin() + " to " + *finished.rbegin()});
  std::string html = html_heading("How to repeat it");
  if (about.contains("command")) html += html_code(about["command"].get<std::string>());
  html += html_paragraph(
      "Seeds vary the split into training and test photos, the initial weights and every draw; the people are always "
      "the same: those with the most photos first, by name among equals. Fractions are of the general people's "
      "training photos. Cells that are there already are kept; tsugi experiment report makes this page again from "
      "them.");
  html += html_table("", {}, rows, true);
  if (about.contains("people in order")) {
    std::string names;
    for (const Json& name : about["people in order"]) names += (names.empty() ? "" : ", ") + name.get<std::string>();
    html += html_paragraph("General people in order: " + names + ".");
  }
  return html + settings_table(results);
}

}  // namespace tsugi::tools
