// Outputs that would destroy what the command reads, or each other.
#include <algorithm>
#include <array>
#include <filesystem>

#include "engine/data/photo_formats.h"
#include "engine/formats/file_kind.h"
#include "kernels/api/error.h"
#include "tools/command.h"

namespace tsugi::tools {
namespace {

namespace fs = std::filesystem;

bool is_output(const CLI::Option& option) {
  static constexpr std::array<const char*, 9> kOutputs = {
      "--output", "--metrics", "--audit", "--profile", "--csv", "--html", "--inc", "--save-crops", "--save-device"};
  return std::count(kOutputs.begin(), kOutputs.end(), option.get_name()) > 0;
}

bool is_input(const CLI::Option& option) {
  static constexpr std::array<const char*, 11> kInputs = {"--photos",  "--personal", "--strangers", "--train-strangers",
                                                          "--model",   "--bundle",   "--previous",  "--continue",
                                                          "--compare", "--tuning",   "--result"};
  return option.get_positional() || std::count(kInputs.begin(), kInputs.end(), option.get_name()) > 0;
}

fs::path resolved(const std::string& path) {
  std::error_code ignored;
  return fs::weakly_canonical(path, ignored);
}

/// Also by another name, through links. Folders are no outputs, which whoever writes them says.
bool same_file(const std::string& one, const std::string& other) {
  std::error_code ignored;
  if (fs::is_directory(one, ignored)) return false;
  return resolved(one) == resolved(other) || fs::equivalent(one, other, ignored);
}

bool is_photo_below(const std::string& path, const std::string& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored) || !fs::exists(path, ignored) || !is_photo_name(path)) return false;
  const fs::path inner = resolved(path), outer = resolved(folder);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

bool is_checkpoint(const std::string& path) {
  try {
    return detect_file_kind(path) == FileKind::safetensors;
  } catch (const Error&) {
    return false;
  }
}

/// Where an output may take the place of what was read, since it is written whole or not at all: a run goes on in
/// place, and people join and leave a device's checkpoint. A bundle is no checkpoint: it would be gone.
bool is_in_place(const CLI::App& command, const CLI::Option& output, const CLI::Option& other) {
  if (output.get_name() != "--output") return false;
  if (other.get_name() == "--continue") return true;
  const bool grows_and_shrinks = command.get_name() == "resume" || command.get_name() == "forget";
  const std::string path = output.as<std::string>();
  return grows_and_shrinks && other.get_positional() && same_file(path, other.as<std::string>()) && is_checkpoint(path);
}

void check_pair(const CLI::App& command, const CLI::Option& output, const CLI::Option& other) {
  if (is_in_place(command, output, other)) return;
  for (const std::string& path : output.results())
    for (const std::string& value : other.results()) {
      if (same_file(path, value))
        throw CLI::ValidationError(value + " and " + path + " are the same file, two expected");
      if (is_input(other) && is_photo_below(path, value))
        throw CLI::ValidationError(output.get_name() + " is " + path + ", a photo of " + value +
                                   " that would be overwritten; a file of its own is expected");
    }
}

}  // namespace

void check_outputs(const CLI::App& command) {
  for (const CLI::Option* output : command.get_options())
    for (const std::string& path :
         output->results())  // of a script whose variable is not set: hours of work would go nowhere
      if (is_output(*output) && path.empty())
        throw CLI::ValidationError(output->get_name() + " is empty, the name of a file expected");
  for (const CLI::Option* output : command.get_options())
    for (const CLI::Option* other : command.get_options())
      if (output != other && is_output(*output) && (is_output(*other) || is_input(*other)))
        check_pair(command, *output, *other);
}

}  // namespace tsugi::tools
