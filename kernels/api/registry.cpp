// Names of registry rows.
#include "kernels/api/registry.h"

#include <cstring>

namespace tsugi {

std::string name_of(const KernelRow& row) {
  const auto number = [](int value) { return std::to_string(value); };
  return std::string(name_of(row.op)) + " " + row.algorithm + " " + name_of(row.dtype) + " " + number(row.tile.m) +
         "x" + number(row.tile.n) + "x" + number(row.tile.k) + " " + number(row.tile.thread_m) + "x" +
         number(row.tile.thread_n);
}

bool computes_whole_blocks(const char* algorithm) {
  return std::strcmp(algorithm, "direct") != 0 && std::strcmp(algorithm, "depthwise") != 0;
}

const std::vector<int>& emulated_architectures() {
  static const std::vector<int> kKnown = {53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90, 100, 101, 103, 120, 121};
  return kKnown;
}

}  // namespace tsugi
