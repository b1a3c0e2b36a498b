#include "engine/core/waiting.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>

// Null where no such runtime is linked.
extern "C" int omp_get_num_procs() __attribute__((weak));
extern "C" void kmp_set_blocktime(int milliseconds) __attribute__((weak));

namespace tsugi {
namespace {

struct Setting {
  const char* name;
  const char* value;  ///< ours; null: a user's alone
  bool read;          ///< by a runtime that is here
};

/// libgomp: tries, 8000 of which take a fraction of a millisecond. Fewer cost speed on an idle machine, more on a busy
/// one (bench/busy_machine.py). LLVM's runtime (libomp): whole milliseconds.
const Setting kSettings[] = {{"OMP_WAIT_POLICY", nullptr, true},
                             {"GOMP_SPINCOUNT", "8000", omp_get_num_procs != nullptr},
                             {"KMP_BLOCKTIME", "0", kmp_set_blocktime != nullptr}};

}  // namespace

void wait_briefly(char** arguments) {
  for (const Setting& setting : kSettings)
    if (std::getenv(setting.name) != nullptr) return;
  char path[PATH_MAX] = {};  // not /proc/self/exe itself, which would be the process's name
  if (readlink("/proc/self/exe", path, sizeof path - 1) <= 0) return;
  bool any = false;
  for (const Setting& setting : kSettings)
    if (setting.value != nullptr && setting.read) any = setenv(setting.name, setting.value, 0) == 0 || any;
  if (any) execv(path, arguments);
  for (const Setting& setting : kSettings) unsetenv(setting.name);  // nothing came of it, and nobody shall believe it
}

std::string wait_policy() {
  std::string text;
  for (const Setting& setting : kSettings) {
    const char* value = std::getenv(setting.name);
    if (value == nullptr) continue;
    const bool ours = setting.value != nullptr && std::strcmp(value, setting.value) == 0;
    text += (text.empty() ? "" : ", ") + std::string(setting.name) + "=" + value + (ours ? " (tsugi's own)" : "");
  }
  return text.empty() ? "as the OpenMP runtime does by itself" : text;
}

}  // namespace tsugi
