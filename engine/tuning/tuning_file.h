// What `tsugi tune` found out on one device: the file that the commands read before they compute, and the rows to ship
// with the kernels. JSON, with a digest over all of it; what it holds is believed only where device, driver and kernels
// are the same.
#pragma once

#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "kernels/api/kernel_choice.h"

namespace tsugi {

/// Of the format. Another number is another meaning.
constexpr int kTuningSchema = 1;

struct TunedKernel {
  KernelCall call;
  std::string kernel;                           ///< the winner
  std::string default_kernel;                   ///< what it was measured against; the same where that stayed
  double seconds = 0.0, default_seconds = 0.0;  ///< of one call
};

struct TuningFile {
  std::string version, date;            ///< of tsugi; UTC
  std::string device, driver, kernels;  ///< as of KernelChoice
  std::vector<TunedKernel> calls;       ///< one a call

  int changed() const;  ///< calls that another kernel than the default computes
};

/// Where, when and for what: everything but the calls.
TuningFile tuning_file_for(const KernelChoice& choice, const std::string& date);

/// Takes over the calls of `newer`; those that only `older` has stay, where both are of the same device, driver and
/// kernels.
TuningFile merged(const TuningFile& older, const TuningFile& newer);

std::string to_json(const TuningFile& file);

/// Throws Error naming `place` and what is wrong: no JSON, cut off, another schema, changed since it was written.
TuningFile parse_tuning_file(const std::string& text, const std::string& place);
TuningFile read_tuning_file(const std::string& path, FileLog* files);

/// Why measurements of `file` say nothing about this device, as "made for driver A, here is B"; empty where they do.
std::string difference(const TuningFile& file, const KernelChoice& choice);

/// The winners as rows of a table in kernels/tuning/*.inc, sorted, without those that are the default. GPU rows only.
std::string inc_rows(const TuningFile& file);

}  // namespace tsugi
