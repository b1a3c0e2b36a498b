// tsugi doctor: what this machine and this build have, for people and for bug reports.
#include <cstdlib>
#include <memory>
#include <thread>

#include "bench/measure/environment.h"
#include "engine/core/device.h"
#include "engine/core/version.h"
#include "engine/data/face.h"
#include "engine/data/photo_formats.h"
#include "engine/tuning/tuned_backend.h"
#include "kernels/api/threads.h"
#include "tools/command.h"
#include "tools/console.h"

namespace tsugi::tools {
namespace {

struct DoctorOptions {
  Common common;
};

/// What commands on this device take from tsugi tune.
Json tuning_report(Backend& backend) {
  const TuningUse use = apply_tuning(backend, {});
  Json json{{"file", use.path},
            {"found", use.found},
            {"used", use.found && use.ignored.empty()},
            {"calls", use.calls},
            {"changed", use.changed}};
  if (!use.ignored.empty()) json["ignored"] = use.ignored;
  return json;
}

std::string tuning_text(const Json& device) {
  const Json tuning = device.value("tuning", Json{{"file", ""}});
  if (tuning["file"] == "") return "off, or nothing to tune";
  if (tuning.contains("ignored")) return "ignored: " + tuning["ignored"].get<std::string>();
  if (!tuning["used"].get<bool>()) return "none (tsugi tune makes " + tuning["file"].get<std::string>() + ")";
  return tuning["file"].get<std::string>() + ", " + tuning["changed"].dump() + " of " + tuning["calls"].dump() +
         " calls changed";
}

Json device_report(const std::string& name) {
  Json json;
  json["name"] = name;
  try {
    const std::unique_ptr<Backend> backend = make_backend(name, 0);
    json["available"] = true;
    json["description"] = backend->description();
    json["precisions"] = Json::array();
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
      if (backend->supports(dtype)) json["precisions"].push_back(precision_name(dtype));
    json["auto_precision"] = precision_name(choose_precision("auto", *backend));
    json["tuning"] = tuning_report(*backend);
  } catch (const Error& error) {
    json["available"] = false;
    json["description"] = error.what();
  }
  return json;
}

/// The formats of photos that this build reads, or that another build of this version does.
Json photo_report() {
  Json json = Json::array();
  for (const PhotoFormat& format : photo_formats()) {
    if (format.somewhere()) {
      json.push_back({{"format", format.name},
                      {"readable", format.readable()},
                      {"library", format.codec.library},
                      {"missing", format.codec.missing}});
    }
  }
  return json;
}

int doctor_command(const DoctorOptions& options) {
  Json json;
  json["version"] = version();
  json["commit"] = commit();
  json["build"] = build_description();
  json["cpu"] = bench::cpu_name();
  json["cores"] = std::thread::hardware_concurrency();
  json["threads"] = available_threads().count;
  json["threads_source"] = available_threads().source;
  json["wait_policy"] = wait_policy();
  json["memory_bytes"] = bench::memory_bytes();
  const std::string available = bench::proc_value("/proc/meminfo", "MemAvailable");
  json["memory_available"] = available.empty() ? "unknown" : available;
  const char* tmp = std::getenv("TMPDIR");
  json["temporary_folder"] = tmp != nullptr ? tmp : "/tmp";
  const std::string faces = face_detector();
  json["faces"] = {{"available", !faces.empty()}, {"description", faces}, {"package", kFaceDetectorPackage}};
  json["devices"] = Json::array();
  for (const char* name : {"cpu", "cuda", "cudnn", "simt", "reference"}) json["devices"].push_back(device_report(name));
  json["photos"] = photo_report();
  if (!options.common.quiet && !options.common.json) {
    print_line(format("tsugi %s, commit %s (%s)", version(), commit(), build_description()));
    print_line(format(
        "CPU: %s, %u cores; memory: %s, available %s; temporary files in %s", json["cpu"].get<std::string>().c_str(),
        std::thread::hardware_concurrency(), bytes_text(json["memory_bytes"].get<double>()).c_str(),
        json["memory_available"].get<std::string>().c_str(), json["temporary_folder"].get<std::string>().c_str()));
    print_line(format("threads: %d (%s); they wait for each other: %s", available_threads().count,
                      available_threads().source.c_str(), wait_policy().c_str()));
    print_line(faces.empty() ? std::string("faces (--crop face): not found by this build: sudo apt-get install ") +
                                   kFaceDetectorPackage + ", then build again"
                             : "faces (--crop face): found by " + faces);
    print_line();
    std::vector<std::vector<std::string>> table = {{"device", "here", "precisions", "what it is"}};
    for (const Json& device : json["devices"]) {
      std::string precisions;
      if (device.contains("precisions"))
        for (const Json& name : device["precisions"])
          precisions += (precisions.empty() ? "" : " ") + name.get<std::string>();
      table.push_back(
          {device["name"], device["available"].get<bool>() ? "yes" : "no", precisions, device["description"]});
    }
    print_table(table);
    print_line();
    std::vector<std::vector<std::string>> photos = {{"photos", "read by", "to do"}};
    for (const Json& format : json["photos"])
      photos.push_back(
          {format["format"], format["readable"].get<bool>() ? format["library"] : Json("nothing"), format["missing"]});
    print_table(photos);
    print_line();
    for (const Json& device : json["devices"])
      if (device["available"].get<bool>())
        print_line(format("tuning of %s: %s", device["name"].get<std::string>().c_str(), tuning_text(device).c_str()));
  }
  finish(options.common, json);
  return kOk;
}

}  // namespace

void add_doctor(CLI::App& app, Run& run) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = app.add_subcommand("doctor", "What this machine and this build have");
  add_common(*command, options->common, "tsugi doctor");
  command->callback([options, &run] { run = [options] { return doctor_command(*options); }; });
}

}  // namespace tsugi::tools
