#include "tools/gnuplot.h"

#include "engine/core/atomic_file.h"
#include "engine/core/program_run.h"
#include "kernels/api/error.h"

namespace tsugi::tools {

std::string draw(const std::string& script, FigureFormat format, int width, int height) {
  const std::string size = std::to_string(width) + "," + std::to_string(height);
  const std::string terminal =
      format == FigureFormat::svg
          ? "set terminal svg size " + size + " noenhanced font 'sans-serif,14' background 'white'\n"
          : "set terminal pngcairo size " + size + " noenhanced font 'sans,12'\n";
  ProgramOutput output;
  try {
    output = run_program({"gnuplot"}, terminal + script);
  } catch (const Error& error) {
    throw Error(std::string("no figure: ") + error.what() + " (Debian and Ubuntu: gnuplot-nox)");
  }
  if (output.status != 0 || output.out.empty())
    throw Error("no figure: gnuplot ended with status " + std::to_string(output.status) + ": " +
                output.err.substr(0, 300));
  return output.out;
}

void write_figures(const std::string& script, const std::string& prefix, int width, int height) {
  write_file_atomically(prefix + ".svg", draw(script, FigureFormat::svg, width, height));
  write_file_atomically(prefix + ".png", draw(script, FigureFormat::png, width, height));
}

}  // namespace tsugi::tools
