// The device descriptions of devices/, embedded when the library is built.
#pragma once

#include <vector>

namespace tsugi::bench {

struct ShippedDevice {
  const char* name;
  const char* json;
};

extern const std::vector<ShippedDevice> kShippedDevices;

}  // namespace tsugi::bench
