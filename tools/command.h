// What a command of the tsugi binary is: a function that adds itself to the command line and runs when it was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "engine/core/json_value.h"
#include "kernels/api/error.h"

namespace tsugi::tools {

class Audit;

/// Exit statuses of the binary.
constexpr int kOk = 0, kFailed = 1, kUsage = 2;

/// What every command has.
struct Common {
  bool json = false;        ///< one JSON object as the last line of stdout
  bool json_lines = false;  ///< one JSON object a photo, a line each; of the commands that have it
  bool quiet = false;       ///< no progress, no tables; errors still go to stderr
};

/// How a command ends that went on after errors and has printed each: main() prints no more.
class ToldError : public Error {
 public:
  using Error::Error;
};

/// Adds --json and --quiet, and an example under the help.
void add_common(CLI::App& command, Common& common, const std::string& example);

/// Adds --json-lines, instead of --json.
void add_json_lines(CLI::App& command, Common& common);

/// `result` as the JSON of one line: in ASCII, so that nothing in it is obeyed by a terminal, and no name of a file
/// that is not UTF-8 (U+FFFD stands for its bytes) makes it fail.
std::string json_line(const Json& result);

/// Prints `result` as the last line of stdout when --json was given: JSON in ASCII. main() sees to it that it arrives.
void finish(const Common& common, const Json& result);

/// Throws CLI::ValidationError when an output of the command line (-o, --metrics, --audit, --profile) is the same file
/// as another, or as an input, or is one of the photos below an input; or when it is empty. `--continue FILE -o FILE`
/// goes on in place and is fine.
void check_outputs(const CLI::App& command);

/// The command line of `command` again, as the user would type it; name: "tsugi ...".
std::string command_line(const CLI::App& command, const std::string& name);

/// An experiment is about somebody's personal photos, and gnuplot writes some of its files: the whole process makes
/// them for its user alone.
void keep_private();

/// Each adds one command to `app`; `run` gets what to do when that command was chosen: a function that returns the exit
/// status. Those that touch photos or checkpoints add --audit and tell `audit` of the files that they open.
using Run = std::function<int()>;
void add_synth(CLI::App& app, Run& run);
void add_pretrain(CLI::App& app, Run& run, Audit& audit);
void add_bundle(CLI::App& app, Run& run, Audit& audit);
void add_resume(CLI::App& app, Run& run, Audit& audit);
void add_forget(CLI::App& app, Run& run, Audit& audit);
void add_eval(CLI::App& app, Run& run, Audit& audit);
void add_predict(CLI::App& app, Run& run, Audit& audit);
void add_compact(CLI::App& app, Run& run, Audit& audit);
void add_inspect(CLI::App& app, Run& run, Audit& audit);
void add_experiment(CLI::App& app, Run& run, Audit& audit);
void add_experiment_life(CLI::App& experiment, Run& run, Audit& audit);
void add_bench(CLI::App& app, Run& run);
void add_plan(CLI::App& app, Run& run, Audit& audit);
void add_tune(CLI::App& app, Run& run);
void add_doctor(CLI::App& app, Run& run);

}  // namespace tsugi::tools
