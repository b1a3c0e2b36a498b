#include "tools/roofline_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "engine/core/atomic_file.h"
#include "engine/core/program_run.h"
#include "engine/core/text.h"
#include "tools/bench.h"
#include "tools/console.h"

namespace tsugi::tools {
namespace {

struct Series {
  std::string title, data;
  int side;
  int mark;  // gnuplot's point type; 0 = a line
};

std::string pair_text(double x, double y) { return format("%.6g %.6g\n", x, y); }

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = 0.0;
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// The power of ten below a value of a file: of a number, whatever it is.
int exponent(double value) {
  constexpr double kMost = 300.0;
  return static_cast<int>(std::clamp(std::floor(std::log10(value)), -kMost, kMost));
}

/// The labels of a logarithmic axis, of which gnuplot's own are powers of ten: often one, or none. Between ends that
/// are three times apart there are two at least.
std::string tics(double low, double high) {
  constexpr double kManyDecades = 1e3, kOneDecade = 10.0;
  const std::vector<double> steps = high / low >= kManyDecades ? std::vector<double>{1.0}
                                    : high / low >= kOneDecade ? std::vector<double>{1.0, 2.0, 5.0}
                                                               : std::vector<double>{1.0, 1.5, 2.0, 3.0, 5.0, 7.0};
  std::string text;
  for (int decade = exponent(low); decade <= exponent(high); ++decade)
    for (const double step : steps)
      if (const double value = step * std::pow(10.0, decade); value >= low && value <= high)
        text += (text.empty() ? "" : ",") + format("%.6g", value);
  return "(" + text + ")";
}

/// Points of one side, a series a type and op: rate over intensity.
void add_points(const bench::CompareSide& side, int index, std::vector<Series>& all, Range& x, Range& y) {
  const auto& entries = side.file.entries;
  const bool any_cold =
      std::any_of(entries.begin(), entries.end(), [](const bench::ResultEntry& e) { return e.cache == "cold"; });
  std::map<std::string, std::string> series;  // by op and type
  for (const bench::ResultEntry& e : entries) {
    if (!e.failure.empty() || e.flops <= 0.0 || e.bytes <= 0.0 || (any_cold && e.cache != "cold")) continue;
    const double intensity = e.flops / e.bytes, rate = e.flops / e.seconds / 1e9;
    x.add(intensity);
    y.add(rate);
    series[e.op + ", " + e.dtype] += pair_text(intensity, rate);
  }
  const auto mark_of = [](const std::string& op) {
    return op.find("_data") != std::string::npos ? 9 : op.find("backward") != std::string::npos ? 5 : 7;
  };
  for (const auto& [name, data] : series) all.push_back({side.name + ": " + name, data, index, mark_of(name)});
}

/// What limits a type on a side: GFLOP/s and GB/s.
struct Ceiling {
  int side;
  DType dtype;
  double peak, copy;
  double ridge() const { return peak / copy; }
};

/// Of the types that the files have points of, where the limits were measured.
std::vector<Ceiling> ceilings_of(const std::vector<bench::CompareSide>& sides) {
  std::vector<Ceiling> all;
  for (std::size_t i = 0; i < sides.size(); ++i)
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      const auto& entries = sides[i].file.entries;
      const bool used = std::any_of(entries.begin(), entries.end(),
                                    [&](const bench::ResultEntry& e) { return e.dtype == name_of(dtype); });
      const bench::Limits& limits = sides[i].file.context.limits;
      const Ceiling ceiling{static_cast<int>(i), dtype, limits.flops(dtype) / 1e9, limits.copy / 1e9};
      if (used && ceiling.peak > 0.0 && ceiling.copy > 0.0) all.push_back(ceiling);
    }
  return all;
}

/// Bandwidth up to the ridge, then the peak, from end to end of the axis.
Series line_of(const Ceiling& ceiling, const std::string& side, const Range& x) {
  const std::string title =
      format("%s: %s GFLOP/s (%s), %s GB/s", side.substr(0, 60).c_str(), figure_text(ceiling.peak).c_str(),
             name_of(ceiling.dtype), figure_text(ceiling.copy).c_str());
  return {title,
          pair_text(x.low, ceiling.copy * x.low) + pair_text(ceiling.ridge(), ceiling.peak) +
              pair_text(x.high, ceiling.peak),
          ceiling.side, 0};
}

/// A gnuplot script. Points from cold caches where a file has them: those move the bytes that the x axis counts.
std::string script_of(const std::vector<bench::CompareSide>& sides) {
  std::vector<Series> series;
  Range x, y;
  for (std::size_t i = 0; i < sides.size(); ++i) add_points(sides[i], static_cast<int>(i), series, x, y);
  if (series.empty()) throw Error("no roofline plot: no point has floating-point operations and bytes");
  const std::vector<Ceiling> ceilings = ceilings_of(sides);
  if (ceilings.empty()) throw Error("no roofline plot: no file has the limits of its device");
  for (const Ceiling& ceiling : ceilings) x.add(ceiling.ridge());
  x = {x.low / 2.0, x.high * 2.0};
  for (const Ceiling& ceiling : ceilings) {
    y.add(ceiling.peak);
    y.add(ceiling.copy * x.low);
    series.push_back(line_of(ceiling, sides[static_cast<std::size_t>(ceiling.side)].name, x));
  }
  y = {y.low / 2.0, y.high * 2.0};

  std::string script =
      "set logscale xy\nset grid\nset border 3\nset tics nomirror\n"
      "set xlabel 'arithmetic intensity (FLOP a byte)'\nset ylabel 'performance (GFLOP/s)'\n"
      "set title 'Roofline: measured limits, and a point a layer'\n"
      "set key outside right top Left reverse samplen 2 spacing 1.2 noenhanced\n"
      "set format x '%g'\nset format y '%g'\n";
  script += format("set xrange [%.6g:%.6g]\nset xtics %s\n", x.low, x.high, tics(x.low, x.high).c_str()) +
            format("set yrange [%.6g:%.6g]\nset ytics %s\n", y.low, y.high, tics(y.low, y.high).c_str());
  for (std::size_t i = 0; i < series.size(); ++i)
    script += "$d" + std::to_string(i) + " << EOD\n" + series[i].data + "EOD\n";
  // Okabe and Ito's colours, which people who see few colours can tell apart.
  constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};
  constexpr int kColourCount = static_cast<int>(sizeof kColours / sizeof kColours[0]);
  std::string plot;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const Series& s = series[i];
    plot += (plot.empty() ? "plot " : ", \\\n  ") + ("$d" + std::to_string(i)) + " using 1:2 " +
            (s.mark == 0 ? std::string("with lines lw 2") : "with points ps 1.1 pt " + std::to_string(s.mark)) +
            " lc rgb '" + kColours[s.side % kColourCount] + "' title " + gnuplot_text(s.title);
  }
  return script + plot + "\n";
}

}  // namespace

std::string roofline_plot(const std::vector<bench::CompareSide>& sides, const std::string& kind) {
  const std::string font = kind == "svg" ? "'sans-serif,14' background 'white'" : "'sans,12'";
  const std::string terminal = "set terminal " + kind + " size 1300,700 noenhanced font " + font + "\n";
  const std::string script = script_of(sides);
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

void write_roofline_plot(const std::vector<bench::CompareSide>& sides, const std::string& prefix) {
  write_file_atomically(prefix + ".svg", roofline_plot(sides, "svg"));
  write_file_atomically(prefix + ".png", roofline_plot(sides, "pngcairo"));
}

}  // namespace tsugi::tools
