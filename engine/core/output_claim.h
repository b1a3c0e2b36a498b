// One writer an output: two runs that save into one file would each undo what the other did.
#pragma once

#include <string>

#include "engine/core/file_log.h"

namespace tsugi {

/// While it lives, the file at `path` is this claim's alone to write; it need not exist. The claim is a lock of one
/// byte on the file's folder, at a place made of the file's name and the process's number. It needs no file of its own,
/// survives the file's replacement, and the system ends it with the process, however that ends. Where the file system
/// has no such locks, nothing is claimed.
class OutputClaim {
 public:
  /// Throws Error naming the file and the process where another claim has it; and when it cannot be written, found out
  /// by opening an AtomicFile, which also removes the temporaries of processes that ended before they could.
  explicit OutputClaim(const std::string& path, const FilePurpose& purpose = {});
  ~OutputClaim();
  OutputClaim(OutputClaim&& other) noexcept;
  OutputClaim& operator=(OutputClaim&&) = delete;

 private:
  int folder_;  // open descriptor that owns the lock; -1 = none
};

}  // namespace tsugi
