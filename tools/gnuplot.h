// Figures by gnuplot, where it is installed (third_party/packages.txt).
#pragma once

#include <string>

namespace tsugi::tools {

enum class FigureFormat { svg, png };

/// What `script` draws, as a file's bytes. The script sets no terminal and no output; texts in it are gnuplot_text()
/// (engine/core/text.h). Throws Error when gnuplot is missing or does not understand it.
std::string draw(const std::string& script, FigureFormat format, int width, int height);

/// Draws both formats and writes PREFIX.svg and PREFIX.png.
void write_figures(const std::string& script, const std::string& prefix, int width, int height);

}  // namespace tsugi::tools
