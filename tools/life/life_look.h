// How a device does on the photos of its people that it lists as tests, and on strangers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/train/photo_source.h"
#include "tools/strangers.h"

namespace tsugi::tools {

class TestedDevice {
 public:
  /// Reads the checkpoint and, of the folders of one person each, the photos that it lists as tests. Folders of people
  /// whom it does not know are left aside. device, threads: as CheckpointSession's.
  TestedDevice(const std::string& checkpoint, const std::vector<std::string>& folders, const std::string& device,
               int threads, const RunObserver& observer);

  Tally recall();

  /// What becomes of the photos in the folder `strangers`; nothing where the device has no statistics: it was trained.
  std::optional<StrangerResults> meet(const std::string& strangers);

 private:
  std::string place_;
  int threads_;
  const RunObserver& observer_;
  CheckpointSession session_;
  PhotoStore store_;
  PhotoSource source_;
  Inference inference_;
  std::vector<std::uint32_t> photos_;
};

}  // namespace tsugi::tools
