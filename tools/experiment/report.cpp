// From cells to a page.
#include "tools/experiment/report.h"

#include <filesystem>

#include "kernels/api/error.h"
#include "tools/experiment/figures.h"
#include "tools/experiment/sections.h"
#include "tools/experiment/store.h"
#include "tools/html.h"

namespace tsugi::tools {
namespace {

/// Draws figures until it finds that there is no gnuplot.
class Drawing {
 public:
  Drawing(const std::string& folder, FileLog* files) : folder_(folder), files_(files) {
    if (std::filesystem::is_symlink(folder)) throw Error(folder + ": is a link, a folder expected");
    std::filesystem::create_directories(folder);
  }

  bool possible() const { return possible_; }

  /// The figure as markup; "" without gnuplot or without lines.
  std::string markup(const Figure& figure, const std::string& caption) {
    if (figure.panels.empty() || !possible_) return "";
    possible_ = draw(figure, folder_, files_);
    if (!possible_) return "";
    std::vector<std::string> drawings;
    for (const Panel& panel : figure.panels) {
      const std::string name = figure.name + "_" + panel.name;
      drawings.push_back(inline_svg(folder_ + "/" + name + ".svg", name + "_",
                                    panel.title + ": " + panel.y_label + " by " + panel.x_label, files_));
    }
    return html_figure(drawings, caption);
  }

 private:
  std::string folder_;
  FileLog* files_;
  bool possible_ = true;
};

std::string introduction(const Results& results) {
  std::string people;
  const std::vector<int> numbers = results.people();
  for (std::size_t i = 0; i < numbers.size(); ++i)
    people += (i == 0 ? "" : i + 1 == numbers.size() ? " and " : ", ") + std::to_string(numbers[i]);
  std::string html = html_paragraph(
      "A server trains a classifier on general people and hands it to a device, with a part of its photos. The device "
      "adds a person of its own, whose photos never leave it, and trains on. How much must be sent so that it forgets "
      "nobody? Here with " +
      people + " general people and " + std::to_string(results.seeds()) + " seeds.");
  const Json about = results.about().value("about", Json::object());
  const auto planned = about.value("cells", std::size_t{0});
  if (results.cells().size() < planned)
    html += html_paragraph("Not finished: " + std::to_string(results.cells().size()) + " of " +
                           std::to_string(planned) + " cells are there.");
  return html;
}

std::string body_of(const Results& results, Drawing& drawing) {
  std::string html = introduction(results) + headline_section(results);
  const std::string times = drawing.markup(
      time_figure(results),
      "Figure 2. Accuracy against time for " + std::to_string(results.largest()) +
          " people, an evaluation a marker, mean and 95 % interval over seeds. Time runs from just before the "
          "checkpoint is read; the device alone starts from nothing, with all photos at hand; the others are "
          "hand-overs. “No training”: the checkpoint with its new row, before any step.");
  if (!times.empty()) html += html_heading("A head start") + times;
  int number = 3;
  for (const int people : results.people()) {
    html += html_heading("How much must be sent: " + std::to_string(people) + " people");
    html += drawing.markup(fraction_figure(results, people, number),
                           "Figure " + std::to_string(number) +
                               ". Accuracy after the hand-over by the share of the server's photos that were sent, " +
                               std::to_string(people) + " general people, mean and 95 % interval over seeds.");
    html += fraction_tables(results, people);
    ++number;
  }
  if (!drawing.possible())
    html += html_paragraph("The figures are left out: gnuplot was not there when this page was made.");
  return html + features_section(results) + ablation_section(results) + forgetting_section(results) +
         bytes_section(results) + repeat_section(results);
}

}  // namespace

ReportSummary write_report(const std::string& out, const std::function<void(const std::string&)>& say, FileLog* files) {
  const Results results(out, files);
  if (results.cells().empty()) throw Error(out + ": holds no finished cell yet");
  write_tables(out, results.cells(), files);
  Drawing drawing(out + "/figures", files);
  ReportSummary summary;
  summary.cells = results.cells().size();
  summary.page = out + "/index.html";
  write_own_file(summary.page, html_document("Handing a face classifier over to a device", body_of(results, drawing)),
                 {"report", files});
  summary.figures = drawing.possible();
  if (!summary.figures)
    say("warning: gnuplot is missing, so the report has no figures (Debian: apt-get install gnuplot-nox)");
  return summary;
}

}  // namespace tsugi::tools
