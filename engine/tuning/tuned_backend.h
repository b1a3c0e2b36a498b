// Backends that take the kernels which `tsugi tune` found to be the fastest on this device, without being asked.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/core/file_log.h"
#include "kernels/api/backend.h"

namespace tsugi {

/// Where the choices come from, and who hears of it.
struct TuningSource {
  /// A tuning file, which must be there; "auto": TSUGI_TUNING where that is set, else the user's cache folder; "off":
  /// none.
  std::string path = "auto";
  FileLog* files = nullptr;                          ///< where the file is recorded when it is opened; may be null
  std::function<void(const std::string&)> say = {};  ///< a line on what is used, or a warning; empty = nobody listens
};

/// What became of it.
struct TuningUse {
  std::string path;     ///< that was looked at; "" = none
  bool found = false;   ///< there was a file
  std::string ignored;  ///< why it was ignored; "" = it was not
  int calls = 0;        ///< that the file knows
  int changed = 0;      ///< that another kernel than the default computes
};

/// The file that `path` (as TuningSource::path) means for this backend; "" = none. In the cache folder
/// ($XDG_CACHE_HOME, else
/// ~/.cache) every device has a file of its own: tsugi/tuning-<digits of the device>.json.
std::string tuning_path(const std::string& path, KernelChoice* choice);

/// Has the backend take the choices of a file. One that nobody named (auto) and that is damaged, or was made for
/// another device, other drivers or other kernels, is ignored with a warning: it never fails a run. Throws Error where
/// a named file is so, or does not exist.
TuningUse apply_tuning(Backend& backend, const TuningSource& source);

/// make_backend(), then apply_tuning().
std::unique_ptr<Backend> make_tuned_backend(const std::string& device, int threads, const TuningSource& source);

}  // namespace tsugi
