// Result files of a real board (`tsugi bench`, `tsugi bench --step`) as corrections of its description: what was
// measured replaces what was derived.
#pragma once

#include "bench/measure/result_file.h"
#include "bench/plan/device_description.h"

namespace tsugi::bench {

/// Limits of the file replace the description's. Each kind of op that it timed is as fast, on average over its points,
/// as measured; a timed step is kept as it is for plans of the same model, batch and precision. `place`: the file's
/// name. Throws Error naming it for a file of another kind of device
/// ("cpu" for a GPU), a smoke run, and one that times nothing that a plan can use. kernels: as record_step.
void apply_result(DeviceDescription& device, Backend& kernels, const ResultFile& file, const std::string& place);

}  // namespace tsugi::bench
