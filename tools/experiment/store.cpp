// Files of an experiment: written whole, checked when read.
#include "tools/experiment/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "engine/core/json_value.h"
#include "engine/core/posix_file.h"
#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "tsugi experiment 1";
constexpr const char* kFolders[] = {"cells", "metrics", "pretrained", "work"};
constexpr const char* kAlone = "device-alone.safetensors";
constexpr std::uint64_t kMostJson = std::uint64_t{1} << 20;  // a cell has some kB

std::string file_of(const std::string& out, const char* folder, const std::string& name) {
  return out + "/" + folder + "/" + name;
}

std::string field_of(const Json& json, const std::string& name) {
  const auto found = json.find(name);
  return found == json.end() ? "not set" : json_text(*found);
}

/// Throws when an experiment differs in anything that its cells must share.
void check_same(const std::string& out, const Json& stored, const Json& now) {
  for (const Json* side : {&stored, &now})
    for (const auto& [name, value] : side->items())
      if (field_of(stored, name) != field_of(now, name))
        throw Error(out + ": holds another experiment: its " + name + " is " + field_of(stored, name) + ", now it is " +
                    field_of(now, name) + "; choose another folder");
}

/// Throws unless the folder is empty, or holds no more than a process left that was killed before it could write
/// experiment.json.
void check_empty(const std::string& out) {
  for (const auto& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    const bool own = name == ".lock" || name.rfind("experiment.json.tmp-", 0) == 0 ||
                     std::find(std::begin(kFolders), std::end(kFolders), name) != std::end(kFolders);
    if (!own) throw Error(out + ": is not empty and holds no experiment");
  }
}

bool has_cells(const std::string& out, const std::string& method) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(out + "/cells", none))
    if (entry.path().filename().string().find("_" + method + "_f") != std::string::npos) return true;
  return false;
}

/// Adds a method to those of the experiment. Throws when cells of other options go by its name.
void add_method(const std::string& out, const Method& method, Json& methods) {
  const Json options = resolved_options(method);
  const Json now = {{"what", method.what},
                    {"ingredient", method.ingredient},
                    {"bundle", options["bundle"]},
                    {"resume", options["resume"]}};
  Json& stored = methods[method.name];
  const bool binding = stored.is_object() && has_cells(out, method.name);
  if (binding)
    stored["resume"] = in_todays_names(stored["resume"], out + "/experiment.json: method " + method.name + ": resume");
  for (const char* part : {"bundle", "resume"})
    if (binding && json_text(stored[part]) != json_text(now[part]))
      throw Error(out + ": holds another experiment: its method " + method.name + " has " + part + " options " +
                  json_text(stored[part]) + ", now they are " + json_text(now[part]) +
                  "; choose another folder, or delete its cells (cells/*_" + method.name + "_f*.json)");
  stored = now;
}

/// Whether this file of work/ is a checkpoint from which a device alone goes on: its cell is not there yet.
bool goes_on(const std::string& out, const fs::path& file) {
  return file.filename().string().find(kAlone) != std::string::npos &&
         !fs::exists(file_of(out, "cells", file.stem().string() + ".json"));
}

/// What a killed process left: unfinished files, and those under way, but for the checkpoints from which a device alone
/// goes on.
void remove_leftovers(const std::string& out) {
  std::vector<fs::path> leftovers;
  const auto look = [&](const std::string& folder, bool all) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && (name.find(".tmp-") != std::string::npos || (all && !goes_on(out, entry.path()))))
        leftovers.push_back(entry.path());
    }
  };
  look(out, false);
  for (const char* folder : kFolders) look(out + "/" + folder, std::strcmp(folder, "work") == 0);
  if (fs::is_directory(out + "/figures")) look(out + "/figures", false);  // the report makes it
  for (const fs::path& path : leftovers) fs::remove(path);
}

int lock_folder(const std::string& out) {
  const int file = uninterrupted([&] { return ::open((out + "/.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644); });
  if (file < 0) throw Error(out + ": cannot be written: " + std::strerror(errno));
  if (uninterrupted([&] { return ::flock(file, LOCK_EX | LOCK_NB); }) == 0) return file;
  ::close(file);
  throw Error(out + ": another process works on this experiment");
}

}  // namespace

void keep_former_names(const std::string& out, std::vector<Method>& methods) {
  for (Method& method : methods)
    if (!method.former_name.empty() && has_cells(out, method.former_name)) method.name = method.former_name;
}

void write_own_file(const std::string& path, const std::string& text, const FilePurpose& purpose) {
  if (fs::is_symlink(path)) throw Error(path + ": is a link, a file of the experiment's own folder expected");
  write_file_atomically(path, text, purpose);
}

Json read_json(const std::string& path, const FilePurpose& purpose) {
  const std::vector<std::uint8_t> bytes = read_file(path, {kMostJson, purpose, ""});
  return parse_json_object(std::string(bytes.begin(), bytes.end()), path);
}

Json read_experiment(const std::string& out, FileLog* files) {
  const std::string path = out + "/experiment.json";
  std::error_code error;
  if (!fs::exists(path, error)) throw Error(out + ": holds no experiment (no experiment.json)");
  const Json about = read_json(path, {"experiment", files});
  if (field_of(about, "format") != Json(kFormat).dump())
    throw Error(path + ": its format is " + field_of(about, "format") + ", \"" + kFormat + "\" expected");
  const JsonValue root(about, path);
  (void)root.object("identity");
  for (const auto& [name, json] : root.object("methods").json().items()) {
    const JsonValue method(json, path + ": method " + shown(name));
    if (method.has("what")) (void)method.at("what").text();
    if (method.has("ingredient")) (void)method.at("ingredient").truth();
  }
  if (!root.has("about")) return about;
  const JsonValue told = root.object("about");
  if (told.has("cells")) (void)told.at("cells").whole<std::uint64_t>();
  if (told.has("command")) (void)told.at("command").text();
  if (told.has("people in order")) (void)told.at("people in order").texts();
  return about;
}

ExperimentStore::ExperimentStore(const std::string& out, const Json& identity, const std::vector<Method>& methods,
                                 FileLog* files)
    : out_(out), files_(files) {
  std::error_code error;
  fs::create_directories(out, error);
  if (error) throw Error(out + ": cannot be made: " + error.message());
  if (fs::exists(out + "/experiment.json", error)) {
    about_ = read_experiment(out, files);
    check_same(out, about_["identity"], identity);
  } else {
    check_empty(out);
    about_["format"] = kFormat;
    about_["identity"] = identity;
    about_["methods"] = Json::object();
  }
  for (const Method& method : methods) add_method(out, method, about_["methods"]);
  lock_ = lock_folder(out);
  for (const char* folder : kFolders) {
    fs::create_directories(out + "/" + folder, error);
    if (error) throw Error(out + "/" + folder + ": cannot be made: " + error.message());
  }
  remove_leftovers(out);
  write_own_file(out + "/experiment.json", json_text(about_, 1) + "\n", {"experiment", files_});
}

ExperimentStore::~ExperimentStore() {
  if (lock_ >= 0) ::close(lock_);
}

bool ExperimentStore::has(const Job& job) const {
  std::error_code error;
  return fs::exists(file_of(out_, "cells", job.key() + ".json"), error);
}

void ExperimentStore::write(const Job& job, const Json& cell) {
  write_own_file(file_of(out_, "cells", job.key() + ".json"), json_text(cell, 1) + "\n", {"cell", files_});
}

void ExperimentStore::describe(const Json& about) {
  about_["about"] = about;
  write_own_file(out_ + "/experiment.json", json_text(about_, 1) + "\n", {"experiment", files_});
}

std::string ExperimentStore::metrics_path(const Job& job) const {
  return file_of(out_, "metrics", job.key() + ".jsonl");
}

std::string ExperimentStore::pretrained_path(const Job& job) const {
  const Job server{JobKind::pretrain, job.people, job.seed, "", 0.0, 0.0};
  return file_of(out_, "pretrained", server.key() + ".safetensors");
}

std::string ExperimentStore::work_path(const Job& job, const std::string& extension) const {
  return file_of(out_, "work", job.key() + extension);
}

void ExperimentStore::put_away(const std::string& path, bool keep) const {
  if (!keep) {
    fs::remove(path);
    return;
  }
  fs::create_directories(out_ + "/kept");
  fs::rename(path, out_ + "/kept/" + fs::path(path).filename().string());
}

}  // namespace tsugi::tools
