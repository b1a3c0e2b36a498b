// Options as the commands have them: with the default in --help, checked, and those that many share said once.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tsugi::tools {

template <class Value>
CLI::Option* add_option(CLI::App& command, const std::string& name, Value& value, const std::string& help) {
  return command.add_option(name, value, help)->capture_default_str();
}

/// A number from `low` to `high`.
template <class Value, class Bound>
CLI::Option* add_option(CLI::App& command, const std::string& name, Value& value, const std::string& help, Bound low,
                        Bound high) {
  return add_option(command, name, value, help)->check(CLI::Range(low, high));
}

/// One of `words`.
inline CLI::Option* add_option(CLI::App& command, const std::string& name, std::string& value, const std::string& help,
                               const std::vector<std::string>& words) {
  return add_option(command, name, value, help)->check(CLI::IsMember(words));
}

inline CLI::Option* add_device(CLI::App& command, std::string& device) {
  return add_option(command, "--device", device,
                    "auto, cpu, cuda, cudnn, simt (emulates CUDA, slow; simt:53 a Jetson Nano) or reference");
}

inline CLI::Option* add_threads(CLI::App& command, int& threads, const std::string& help = "Threads, 0 = all cores") {
  return add_option(command, "--threads", threads, help, 0, 1024);
}

/// Around what photos are cropped, where that is not to be as the checkpoint says.
inline CLI::Option* add_crop(CLI::App& command, std::string& crop) {
  return command
      .add_option(
          "--crop", crop,
          "What photos are cropped around: face (their largest face; those in which none is found are left out), "
          "face-or-center or center")
      ->check(CLI::IsMember({"face", "face-or-center", "center"}))
      ->default_str("as the checkpoint says");
}

inline CLI::Option* add_save_crops(CLI::App& command, std::string& folder, const std::string& more = "") {
  return command.add_option("--save-crops", folder,
                            "Make this folder of pictures (PNG) of what the network sees of each photo" + more);
}

inline CLI::Option* add_accept(CLI::App& command, std::optional<double>& accept) {
  return command
      .add_option("--accept", accept,
                  "Share of the known people's photos that are to be taken for theirs, not for a stranger's")
      ->check(CLI::Range(0.0, 1.0))
      ->default_str("what the hand-over chose");
}

inline CLI::Option* add_precision(CLI::App& command, std::string& precision,
                                  const std::string& help = "auto, fp32, bf16 (CPU) or fp16 (GPU)") {
  return add_option(command, "--precision", precision, help, {"auto", "fp32", "bf16", "fp16"});
}

}  // namespace tsugi::tools
