// Runs another program and collects what it says: gnuplot for figures, nvidia-smi for the state of a GPU.
#pragma once

#include <string>
#include <vector>

#include "kernels/api/error.h"

namespace tsugi {

/// There is no such program on PATH.
class ProgramMissing : public Error {
 public:
  using Error::Error;
};

struct ProgramOutput {
  int status = 0;        ///< exit status; 128 + the signal's number when a signal ended it
  std::string out, err;  ///< what it wrote
};

/// Starts `arguments[0]`, looked for on PATH, with `input` on its standard input, and waits for its end. No shell is
/// involved. Throws ProgramMissing or, when it cannot be started, Error, both naming the program.
ProgramOutput run_program(const std::vector<std::string>& arguments, const std::string& input);

}  // namespace tsugi
