// Runs another program and collects what it says: gnuplot for figures, nvidia-smi for the state of a GPU.
#pragma once

#include <string>
#include <vector>

namespace tsugi {

struct ProgramOutput {
  int status = 0;        ///< exit status; 128 + the signal's number when a signal ended it
  std::string out, err;  ///< what it wrote
};

/// Starts `arguments[0]`, looked for on PATH, with `input` on its standard input, and waits for its end. No shell is involved.
/// Throws Error naming the program when it is not there or cannot be started.
ProgramOutput run_program(const std::vector<std::string>& arguments, const std::string& input);

}  // namespace tsugi
