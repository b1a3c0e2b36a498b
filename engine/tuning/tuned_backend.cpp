#include "engine/tuning/tuned_backend.h"

#include <cstdlib>
#include <filesystem>

#include "engine/core/device.h"
#include "engine/core/sha256.h"
#include "engine/tuning/tuning_file.h"

namespace tsugi {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAuto = "auto";
constexpr const char* kOff = "off";

/// The value of an environment variable; "" where it is not set.
std::string variable(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

/// As the XDG base directory specification says: relative paths do not count. "" where there is no home.
fs::path cache_folder() {
  const fs::path named = variable("XDG_CACHE_HOME"), home = variable("HOME");
  if (named.is_absolute()) return named;
  return home.is_absolute() ? home / ".cache" : fs::path();
}

/// Every choice, or none: a file with one that cannot be is not what it says.
void take(KernelChoice& choice, const TuningFile& file, const std::string& path) {
  try {
    for (const TunedKernel& one : file.calls)
      if (one.kernel != one.default_kernel) choice.choose(one.call, one.kernel);
  } catch (const Error& error) {
    for (const TunedKernel& one : file.calls) {
      try {
        choice.choose(one.call, "");
      } catch (const Error&) {  // the one that was refused
      }
    }
    throw Error(path + ": " + error.what());
  }
}

}  // namespace

std::string tuning_path(const std::string& path, KernelChoice* choice) {
  if (choice == nullptr || path == kOff) return "";
  if (path != kAuto) return path;
  const std::string named = variable("TSUGI_TUNING");
  if (!named.empty()) return named == kOff ? "" : named;
  const fs::path folder = cache_folder();
  constexpr std::size_t kDigits = 12;
  return folder.empty()
             ? ""
             : (folder / "tsugi" / ("tuning-" + sha256_hex(choice->device()).substr(0, kDigits) + ".json")).string();
}

TuningUse apply_tuning(Backend& backend, const TuningSource& source) {
  TuningUse use;
  KernelChoice* choice = backend.kernel_choice();
  use.path = tuning_path(source.path, choice);
  std::error_code ignored;
  if (use.path.empty()) return use;
  use.found = fs::exists(use.path, ignored) || ignored;
  if (!use.found) {
    if (source.path != kAuto) throw Error(use.path + ": cannot be opened: No such file or directory");
    return use;
  }
  try {
    const TuningFile file = read_tuning_file(use.path, source.files);
    use.calls = static_cast<int>(file.calls.size());
    use.ignored = difference(file, *choice);
    if (use.ignored.empty()) {
      take(*choice, file, use.path);
      use.changed = file.changed();
    } else {
      use.ignored = use.path + ": " + use.ignored;
    }
  } catch (const Error& error) {
    use.ignored = error.what();
  }
  const std::string anew = "; run tsugi tune to make it anew";
  if (!use.ignored.empty() && source.path != kAuto) throw Error(use.ignored + anew);  // who names a file wants that one
  if (!source.say) return use;
  if (!use.ignored.empty()) source.say("warning: tuning ignored: " + use.ignored + anew);
  if (use.changed > 0)
    source.say("kernels as tuned: " + std::to_string(use.changed) + " of " + std::to_string(use.calls) +
               " known calls take another than by default (" + use.path + ")");
  return use;
}

std::unique_ptr<Backend> make_tuned_backend(const std::string& device, int threads, const TuningSource& source) {
  std::unique_ptr<Backend> backend = make_backend(device, threads);
  apply_tuning(*backend, source);
  return backend;
}

}  // namespace tsugi
