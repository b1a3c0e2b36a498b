// What tsugi tune found, for people and as JSON.
#include "tools/tune_report.h"

#include "tools/bench.h"
#include "tools/console.h"

namespace tsugi::tools {
namespace {

std::string faster_text(double ratio) { return format("%.2f", 1.0 / ratio); }

}  // namespace

void print_tuning(const bench::TuneResult& result) {
  std::vector<std::vector<std::string>> table = {
      {"layer", "op", "x", "default", "time", "winner", "time", "times as fast", "turns", ""}};
  for (const bench::TunedCall& call : result.calls) {
    const bench::SearchResult& s = call.search;
    table.push_back({call.made.op_case.layer, bench::op_name(call.made.op_case, call.made.pass),
                     std::to_string(call.made.times), call.kernels[0], time_text(s.candidates[0].seconds),
                     s.chosen == 0 ? "-" : call.kernels[s.chosen],
                     s.chosen == 0 ? "-" : time_text(s.candidates[s.chosen].seconds),
                     s.chosen == 0 ? "-" : faster_text(s.ratio), std::to_string(s.turns),
                     s.decided                    ? ""
                     : s.candidates[0].turns == 0 ? "no time"
                                                  : "undecided"});
  }
  print_table(table);
}

std::string tuning_summary(const std::string& what, const bench::TuneResult& result) {
  const bench::StepCheck& check = result.check;
  std::string line = what + ": " + std::to_string(result.changed()) + " of " + std::to_string(result.calls.size()) +
                     " calls with a choice take another kernel";
  if (check.pairs > 0)
    line += "; a step takes " + time_text(check.tuned_s) + ", before " + time_text(check.default_s) + " (" +
            faster_text(check.ratio) + " times as fast, median of " + std::to_string(check.pairs) + " pairs)";
  if (!result.kept) line += ": no faster, so all defaults stay";
  if (!check.failure.empty()) line += "; whole steps were not compared: " + check.failure;
  if (result.undecided() > 0)
    line += "; " + std::to_string(result.undecided()) + " undecided: give more time with --budget";
  return line;
}

Json tuning_json(const std::string& model, int batch, const bench::TuneResult& result) {
  Json json{{"model", model},
            {"batch", batch},
            {"changed", result.changed()},
            {"undecided", result.undecided()},
            {"kept", result.kept},
            {"without_choice", result.without_choice},
            {"pairs", result.check.pairs}};
  if (result.check.pairs > 0) {
    json["default_step_s"] = result.check.default_s;
    json["tuned_step_s"] = result.check.tuned_s;
    json["step_ratio"] = result.check.ratio;
    json["step_ratio_mad"] = result.check.ratio_deviation;
  }
  json["calls"] = Json::array();
  for (const bench::TunedCall& call : result.calls) {
    Json one{{"layer", call.made.op_case.layer}, {"op", bench::op_name(call.made.op_case, call.made.pass)},
             {"times", call.made.times},         {"chosen", call.kernels[call.search.chosen]},
             {"ratio", call.search.ratio},       {"decided", call.search.decided},
             {"kernels", Json::array()}};
    for (std::size_t i = 0; i < call.kernels.size(); ++i) {
      const bench::SearchedCandidate& c = call.search.candidates[i];
      Json kernel{{"kernel", call.kernels[i]}, {"turns", c.turns}};
      if (c.turns > 0) kernel["seconds"] = c.seconds, kernel["mad_s"] = c.deviation;
      if (!c.failure.empty()) kernel["failure"] = c.failure;
      one["kernels"].push_back(kernel);
    }
    json["calls"].push_back(one);
  }
  return json;
}

}  // namespace tsugi::tools
