// Figures by gnuplot (http://www.gnuplot.info): scripts that hold their data, so that anyone can draw them again.
#pragma once

#include <string>
#include <vector>

#include "engine/core/file_log.h"

namespace tsugi::tools {

/// How a line looks: colours that the colour-blind tell apart (Okabe and Ito), markers and dashes for print without
/// colour.
struct LineStyle {
  const char* color = "#000000";
  int marker = 7;  ///< gnuplot's point type; 0 = none
  int dash = 1;    ///< gnuplot's dash type; 0 = points only
};

struct PlotPoint {
  double x, y, low, high;
};

struct PlotLine {
  std::string title;
  LineStyle style;
  std::vector<PlotPoint> points;
};

/// One coordinate system.
struct Panel {
  std::string name;  ///< of its file, after the figure's
  std::string title, x_label, y_label;
  double x_min = 0.0, x_max = 1.0;
  std::vector<PlotLine> lines;
};

struct Figure {
  std::string name;  ///< of its files: "figure3"
  std::vector<Panel> panels;
};

/// Accuracies in percent on the left axis, keys below the axes. Draws NAME.svg and NAME.png (panels side by side) and
/// NAME_PANEL.svg.
std::string gnuplot_script(const Figure& figure);

/// Writes the figure's script into `folder` and runs gnuplot there, which replaces older drawings and links by their
/// names. Returns false where there is no gnuplot. Throws Error naming the script when it fails.
bool draw(const Figure& figure, const std::string& folder, FileLog* files = nullptr);

/// A panel's drawing, to be put into a page: without the XML head and without a size of its own, its identifiers opened
/// by `prefix`; label: what it shows, in words. Throws Error when the file cannot be read.
std::string inline_svg(const std::string& path, const std::string& prefix, const std::string& label,
                       FileLog* files = nullptr);

}  // namespace tsugi::tools
