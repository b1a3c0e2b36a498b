// The machine that runs this, as a device description: limits, costs of a call, and efficiencies measured on shapes of
// the literature's kind, whatever model is planned for later. Takes some seconds.
#pragma once

#include <functional>

#include "bench/plan/device_description.h"

namespace tsugi::bench {

struct CalibrationOptions {
  DType dtype = DType::f32;     ///< that efficiencies are measured in
  int threads = 0;              ///< of the CPU, as the backend has them; 0 = all cores
  int rounds = 2;               ///< turns that every shape gets
  double point_seconds = 4e-3;  ///< of measurement a shape, a pass and a turn
  bool brief = false;           ///< tiny shapes once: shows that everything runs, its times mean nothing
  std::function<void(double share_done)> progress;
  std::function<bool()> should_stop;
};

/// process_bytes is of this process: call it before anything else takes memory. Throws Error where an op fails, and
/// when the caller asks to stop.
DeviceDescription calibrate(Backend& backend, const CalibrationOptions& options);

/// The ops that calibration times, with the axes of the table that each fills. Of a kind, every combination of the
/// axes' points is there.
struct CalibrationTable {
  std::vector<AxisPoints> axes;
  std::vector<OpCase> cases;  ///< row-major over the axes
  OpCase cold;                ///< timed with inputs from memory, too
  std::vector<OpCase>
      weights;  ///< none, or two of the same weights with many samples and with few: what the weights alone cost
};
std::vector<CalibrationTable> calibration_tables(int threads, DType dtype, bool brief);

}  // namespace tsugi::bench
