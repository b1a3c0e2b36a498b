// Scripts for gnuplot, and its drawings for a page.
#include "tools/experiment/plot.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <regex>
#include <sstream>

#include "engine/core/input_file.h"
#include "engine/core/program_run.h"
#include "engine/core/text.h"
#include "tools/experiment/store.h"

namespace tsugi::tools {
namespace {

constexpr int kWidth = 420, kHeight = 390;  // of a panel; a phone shows it at 340 points
constexpr int kPngScale = 2;

/// Of a panel's drawing.
std::string panel_file(const Figure& figure, const Panel& panel) { return figure.name + "_" + panel.name + ".svg"; }

/// gnuplot says nothing of a disk that was full.
void check_whole(const std::string& path, const std::string& end, FileLog* files) {
  const std::vector<std::uint8_t> bytes = read_file(path, {ReadOptions{}.limit, {"figure", files}, ""});
  constexpr std::ptrdiff_t kTail = 64;
  const auto tail = bytes.end() - std::min<std::ptrdiff_t>(kTail, bytes.end() - bytes.begin());
  if (std::search(tail, bytes.end(), end.begin(), end.end()) == bytes.end())
    throw Error(path + ": gnuplot did not write it to its end, " + end + " expected there");
}

/// gnuplot writes through links: in a folder from somewhere else they could lead anywhere.
void remove_drawings(const Figure& figure, const std::string& folder) {
  for (const char* kind : {".svg", ".png"}) std::filesystem::remove(folder + "/" + figure.name + kind);
  for (const Panel& panel : figure.panels) std::filesystem::remove(folder + "/" + panel_file(figure, panel));
}

std::string data_name(std::size_t panel, std::size_t line) {
  return "$p" + std::to_string(panel) + "l" + std::to_string(line);
}

/// Columns of the keys: gnuplot makes two only where the longest title leaves room for another.
std::size_t key_columns(const Figure& figure) {
  constexpr std::size_t kShort = 13;  // letters: what half a panel has room for
  for (const Panel& panel : figure.panels)
    for (const PlotLine& line : panel.lines)
      if (line.title.size() > kShort) return 1;
  return 2;
}

/// Of the key with the most lines.
std::size_t key_rows(const Figure& figure) {
  const std::size_t columns = key_columns(figure);
  std::size_t rows = 0;
  for (const Panel& panel : figure.panels) rows = std::max(rows, (panel.lines.size() + columns - 1) / columns);
  return rows;
}

void write_data(const Figure& figure, std::ostream& script) {
  for (std::size_t p = 0; p < figure.panels.size(); ++p)
    for (std::size_t l = 0; l < figure.panels[p].lines.size(); ++l) {
      script << data_name(p, l) << " << EOD\n";
      for (const PlotPoint& point : figure.panels[p].lines[l].points)
        script << point.x << " " << point.y << " " << point.low << " " << point.high << "\n";
      script << "EOD\n";
    }
}

void plot_panel(const Panel& panel, std::size_t number, std::ostream& script) {
  script << "set title " << gnuplot_text(panel.title) << "\nset xlabel " << gnuplot_text(panel.x_label)
         << "\nset ylabel " << gnuplot_text(panel.y_label) << "\nset xrange [" << panel.x_min << ":" << panel.x_max
         << "]\nplot ";
  for (std::size_t l = 0; l < panel.lines.size(); ++l) {
    const PlotLine& line = panel.lines[l];
    const LineStyle& s = line.style;
    const bool markers = s.marker > 0, dashes = s.dash > 0;
    script << (l > 0 ? ", \\\n  " : "") << data_name(number, l) << " using 1:2" << (markers ? ":3:4" : "") << " with "
           << (!markers ? "lines"
               : dashes ? "yerrorlines"
                        : "yerrorbars")
           << " lc rgb " << gnuplot_text(s.color) << " lw 1.6";
    if (dashes) script << " dt " << s.dash;
    if (markers) script << " pt " << s.marker << " ps 0.8";
    script << " title " << gnuplot_text(line.title);
  }
  script << "\n";
}

}  // namespace

std::string gnuplot_script(const Figure& figure) {
  std::ostringstream script;
  script << "# gnuplot " << figure.name << ".gp draws the figures again.\nset encoding utf8\n";
  write_data(figure, script);
  script << "set yrange [0:103]\nset ytics 0,20,100\nset grid lc rgb '#dddddd' lt 1 lw 0.6\nset border 3 lc rgb "
            "'#444444'\nset tics nomirror\n"
         << "set key below center horizontal Left reverse maxcols " << key_columns(figure)
         << " samplen 2 width -1 spacing 1.15 font ',12'\nset bars 0.4\n"
         << "set tmargin 2.2\nset lmargin 7.5\nset rmargin 1.5\nset bmargin "
         << 4.4 + 1.3 * static_cast<double>(key_rows(figure)) << "\n";
  const std::size_t panels = figure.panels.size();
  for (std::size_t p = 0; p < panels; ++p) {
    script << "set terminal svg size " << kWidth << "," << kHeight
           << " dynamic noenhanced font 'sans-serif,13' background rgb 'white'\nset output "
           << gnuplot_text(panel_file(figure, figure.panels[p])) << "\n";
    plot_panel(figure.panels[p], p, script);
  }
  for (const char* kind : {"svg", "png"}) {
    const bool png = std::strcmp(kind, "png") == 0;
    const int scale = png ? kPngScale : 1;
    script << "set terminal " << (png ? "pngcairo" : "svg") << " size " << kWidth * scale * static_cast<int>(panels)
           << "," << kHeight * scale << (png ? "" : " dynamic") << " noenhanced font 'sans-serif," << (png ? 11 : 13)
           << "' background rgb 'white'" << (png ? " fontscale 2 linewidth 2 pointscale 2" : "") << "\nset output "
           << gnuplot_text(figure.name + "." + kind) << "\nset multiplot layout 1," << panels << "\n";
    for (std::size_t p = 0; p < panels; ++p) plot_panel(figure.panels[p], p, script);
    script << "unset multiplot\n";
  }
  script << "set output\n";
  return script.str();
}

bool draw(const Figure& figure, const std::string& folder, FileLog* files) {
  const std::string script = figure.name + ".gp";
  if (printable(folder) != folder)
    throw Error(folder + ": gnuplot cannot be told a folder whose name has control characters; another name expected");
  remove_drawings(figure, folder);
  write_own_file(folder + "/" + script, gnuplot_script(figure), {"figure", files});
  try {
    const ProgramOutput done = run_program({"gnuplot", "-e", "cd " + gnuplot_text(folder), script}, "");
    if (done.status != 0)
      throw Error(folder + "/" + script + ": gnuplot ended with exit status " + std::to_string(done.status) +
                  ", 0 expected: " + done.err.substr(0, 300));
  } catch (const ProgramMissing&) {
    return false;
  }
  check_whole(folder + "/" + figure.name + ".svg", "</svg>", files);
  check_whole(folder + "/" + figure.name + ".png", "IEND", files);
  for (const Panel& panel : figure.panels) check_whole(folder + "/" + panel_file(figure, panel), "</svg>", files);
  return true;
}

std::string inline_svg(const std::string& path, const std::string& prefix, const std::string& label, FileLog* files) {
  const std::vector<std::uint8_t> bytes = read_file(path, {ReadOptions{}.limit, {"figure", files}, ""});
  std::string svg(bytes.begin(), bytes.end());
  const std::size_t start = svg.find("<svg");
  if (start == std::string::npos) throw Error(path + ": holds no <svg>");
  svg.erase(0, start);
  svg = std::regex_replace(svg, std::regex("\\b(id=['\"]|href=['\"]#|url\\(['\"]?#)"), "$1" + prefix);
  const std::size_t head = svg.find('>');
  std::string opening = svg.substr(0, head);
  opening = std::regex_replace(opening, std::regex("\\s(width|height|onload)=\"[^\"]*\""), "");
  return opening + " role=\"img\" aria-label=\"" + html_text(label) + "\"" + svg.substr(head);
}

}  // namespace tsugi::tools
