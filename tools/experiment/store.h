// The folder of an experiment: experiment.json says which one it is, cells/ has a file a finished job, metrics/ its
// evaluations, pretrained/ the servers' checkpoints, work/ what is under way, kept/ what --keep keeps. A cell's file is
// written last and at once, so a killed experiment goes on where it was; a cell whose file is deleted is run again.
#pragma once

#include <string>
#include <vector>

#include "tools/experiment/jobs.h"

namespace tsugi::tools {

class ExperimentStore {
 public:
  /// Opens the folder, or makes it. `identity`: what all cells of an experiment share. Throws Error naming the folder,
  /// the field and both values when it holds another experiment, and when it holds something else, cannot be written,
  /// or another process works in it.
  ExperimentStore(const std::string& out, const Json& identity, const std::vector<Method>& methods, FileLog* files);
  ~ExperimentStore();
  ExperimentStore(const ExperimentStore&) = delete;
  ExperimentStore& operator=(const ExperimentStore&) = delete;

  bool has(const Job& job) const;
  void write(const Job& job, const Json& cell);

  /// Adds to experiment.json what only the report needs (the command, the machine, the grid).
  void describe(const Json& about);

  std::string metrics_path(const Job& job) const;
  std::string pretrained_path(const Job& job) const;  ///< of the job's people and seed
  std::string work_path(const Job& job, const std::string& extension) const;
  /// Moves a file of work/ to kept/, or removes it.
  void put_away(const std::string& path, bool keep) const;

 private:
  std::string out_;
  FileLog* files_;
  Json about_;
  int lock_ = -1;
};

/// An experiment that began under the former name of a method goes on under it: its cells lie there.
void keep_former_names(const std::string& out, std::vector<Method>& methods);

/// Writes a file of an experiment as write_file_atomically does, but through no link: the folder may come from somebody
/// else, and the link lead anywhere. Throws Error naming the link.
void write_own_file(const std::string& path, const std::string& text, const FilePurpose& purpose = {});

/// The object of a file of an experiment. Throws Error naming the file when it cannot be read, or is no JSON object
/// that nests at most 64 deep.
Json read_json(const std::string& path, const FilePurpose& purpose = {});

/// experiment.json of a folder. Throws Error naming the folder when it holds no experiment, one of another format, or a
/// damaged one.
Json read_experiment(const std::string& out, FileLog* files = nullptr);

}  // namespace tsugi::tools
