// --audit FILE.json: which files a command read and wrote, with digests, and which of them are personal. Written when
// the command ends, however it ends, short of a kill.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/core/output_claim.h"
#include "engine/train/run.h"

namespace tsugi::tools {

/// How a command ended.
struct Ending {
  int status = 0;        ///< exit status
  bool stopped = false;  ///< by SIGINT or SIGTERM
  std::string error;     ///< the message on stderr, "" = none
};

class Audit {
 public:
  Audit(int argc, const char* const* argv) : command_line_(argv, argv + argc) {}

  /// Gives `command` the option.
  void add(CLI::App& command);

  /// Before the command runs. Throws Error when the audit file could not be written at the end.
  void start();

  /// What the command's calls record in; null without --audit.
  FileLog* files() { return path_.empty() ? nullptr : &files_; }

  /// Writes the audit file, if start() prepared one. Throws Error when it cannot be written, or when the command read
  /// or wrote it.
  void finish(const Ending& ending) const;

 private:
  std::vector<std::string> command_line_;
  std::string path_, started_;  // "" = not asked for, not started
  std::optional<OutputClaim> claim_;
  Stopwatch clock_;
  FileLog files_;
};

}  // namespace tsugi::tools
