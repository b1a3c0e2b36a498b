// The audit file.
#include "tools/audit.h"

#include <algorithm>
#include <filesystem>

#include "bench/measure/environment.h"
#include "engine/core/atomic_file.h"
#include "engine/core/version.h"
#include "kernels/api/error.h"
#include "tools/command.h"
#include "tools/console.h"

namespace tsugi::tools {
namespace {

constexpr const char* kScope =
    "Every file that tsugi opened, with what passed through it. Left out: the program and its libraries, what the "
    "system's run time and "
    "drivers read for themselves (/proc, /sys, /dev, locales), listings of folders, what gnuplot opens, standard "
    "input, output and error, and this file.";
constexpr const char* kPersonal =
    "Files below the folder of personal photos, an experiment with such photos, photos of people whom the checkpoint "
    "knows as personal, photos given to predict, "
    "checkpoints that learnt from such photos, and metrics about them.";

Json describe(const FileUse& use) {
  Json json;
  json["path"] = use.path;
  json["role"] = use.role;
  json["personal"] = use.personal;
  json["complete"] = use.complete;
  json["bytes"] = use.complete ? Json(use.bytes) : Json(nullptr);
  if (use.access != FileAccess::scratch) json["sha256"] = use.complete ? Json(use.sha256) : Json(nullptr);
  json["times"] = use.times;
  if (use.access == FileAccess::write) json["temporary"] = use.temporary;
  return json;
}

/// The uses of one kind, and their sums.
struct Listed {
  Json files = Json::array(), totals;
};

Listed list(const std::vector<FileUse>& uses, FileAccess access) {
  Listed listed;
  std::uint64_t count = 0, bytes = 0, personal = 0, personal_bytes = 0;
  for (const FileUse& use : uses) {
    if (use.access != access) continue;
    listed.files.push_back(describe(use));
    ++count;
    bytes += use.bytes;
    personal += use.personal ? 1 : 0;
    personal_bytes += use.personal ? use.bytes : 0;
  }
  listed.totals = {
      {"files", count}, {"bytes", bytes}, {"personal_files", personal}, {"personal_bytes", personal_bytes}};
  return listed;
}

}  // namespace

void Audit::add(CLI::App& command) {
  command.add_option("--audit", path_, "Write which files were read and written, with digests, to this JSON file");
}

void Audit::start() {
  if (path_.empty()) return;
  claim_.emplace(path_);
  install_stop_signals();  // a stopped command ends by itself, and leaves its record
  clock_ = Stopwatch();
  started_ = bench::utc_now();
}

void Audit::finish(const Ending& ending) const {
  if (started_.empty()) return;
  const std::vector<FileUse> uses = files_.uses();
  std::error_code ignored;
  for (const FileUse& use : uses)
    if (std::filesystem::equivalent(use.path, path_, ignored))
      throw Error(path_ + ": is the same file as " + use.path +
                  ", which the command opened; --audit expects a file of its own");

  Json json;
  json["tsugi"] = version();
  json["build"] = build_description();
  json["command_line"] = command_line_;
  json["folder"] = std::filesystem::current_path(ignored).string();
  json["started"] = started_;
  json["ended"] = bench::utc_now();
  json["seconds"] = clock_.seconds();
  json["exit_status"] = ending.status;
  json["stopped"] = ending.stopped;
  json["error"] = ending.error.empty() ? Json(nullptr) : Json(ending.error);
  json["scope"] = kScope;
  json["personal"] = kPersonal;
  const Listed read = list(uses, FileAccess::read), written = list(uses, FileAccess::write),
               scratch = list(uses, FileAccess::scratch);
  json["totals"] = {{"read", read.totals}, {"written", written.totals}, {"scratch", scratch.totals}};
  json["read"] = read.files;
  json["written"] = written.files;
  json["scratch"] = scratch.files;
  const bool personal =
      std::any_of(uses.begin(), uses.end(), [](const FileUse& use) { return use.personal; });  // it names them
  // File names need not be UTF-8: what is not becomes U+FFFD.
  write_file_atomically(path_, json_text(json, 1) + "\n", {"audit", nullptr, personal});
}

}  // namespace tsugi::tools
