// Names of registry rows.
#include "kernels/api/registry.h"

namespace tsugi {

std::string name_of(const Row& row) {
  const auto number = [](int value) { return std::to_string(value); };
  return std::string(name_of(row.op)) + " " + row.variant + " " + name_of(row.dtype) + " " + number(row.tile.m) + "x" +
         number(row.tile.n) + "x" + number(row.tile.k) + " " + number(row.tile.thread_m) + "x" +
         number(row.tile.thread_n);
}

}  // namespace tsugi
