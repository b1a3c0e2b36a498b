#include "kernels/ptx/runtime/device.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tsugi {
namespace ptx {
namespace {

constexpr std::size_t kMemory = std::size_t{6} << 30;

std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

std::unique_ptr<Checks> checks_asked_for() {
  const std::string asked = setting("TSUGI_PTX_CHECK", "");
  const bool races = asked.find("races") != std::string::npos, unwritten = asked.find("unwritten") != std::string::npos;
  return races || unwritten ? std::make_unique<Checks>(races, unwritten) : nullptr;
}

/// Innermost loops that multiply and add: from where a branch leads back to, to the branch.
std::vector<std::pair<int, int>> hot_loops(const Kernel& kernel) {
  std::vector<std::pair<int, int>> loops;
  for (int i = 0; i < static_cast<int>(kernel.source.statements.size()); ++i) {
    const Instruction& instruction = kernel.code[static_cast<std::size_t>(i)];
    if (instruction.control != Control::branch || instruction.target > i) continue;
    const auto inside = [&](const std::pair<int, int>& loop) { return loop.first >= instruction.target; };
    if (std::any_of(loops.begin(), loops.end(), inside)) continue;
    const auto multiplies = [](const Statement& s) { return s.opcode[0] == "fma" || s.opcode[0] == "mma"; };
    const auto begin = kernel.source.statements.begin();
    if (std::any_of(begin + instruction.target, begin + i, multiplies)) loops.emplace_back(instruction.target, i);
  }
  return loops;
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

Device& Device::get() {
  static Device device;
  return device;
}

Device::Device()
    : sm_(std::atoi(setting("TSUGI_PTX_SM", "75").c_str())),
      shuffle_(std::strtoull(setting("TSUGI_PTX_SHUFFLE", "0").c_str(), nullptr, 10)),
      checks_(checks_asked_for()),
      memory_(kMemory, checks_ != nullptr),
      folder_(setting("TSUGI_PTX_FOLDER", "")) {}

Device::~Device() { write_coverage(); }

FatBinary* Device::add_binary(std::string text) {
  binaries_.push_back(std::make_unique<FatBinary>());
  binaries_.back()->name = "module " + std::to_string(binaries_.size());
  binaries_.back()->text = std::move(text);
  return binaries_.back().get();
}

void Device::add_entry(const void* host_function, FatBinary* binary, const std::string& name) {
  Entry& entry = entries_[host_function];
  entry.binary = binary;
  entry.name = name;
}

LoadedModule Device::load(const std::string& name, std::string text) {
  LoadedModule loaded;
  loaded.module = std::make_unique<Module>(name, std::move(text));
  if (loaded.module->target() != "sm_" + std::to_string(sm_)) {
    throw Error("ptx: " + name + " is for " + loaded.module->target() + ", the device is an sm_" + std::to_string(sm_));
  }
  for (const Variable& variable : loaded.module->globals()) {
    void* memory = memory_.allocate(static_cast<std::size_t>(variable.bytes));
    if (memory == nullptr) throw Error("ptx: " + name + ": no memory for " + variable.name);
    std::memset(memory, 0, static_cast<std::size_t>(variable.bytes));
    if (!variable.initial.empty()) std::memcpy(memory, variable.initial.data(), variable.initial.size());
    memory_.mark_written(memory, static_cast<std::size_t>(variable.bytes));
    loaded.globals.push_back(Memory::address_of(memory));
  }
  return loaded;
}

void Device::load_folder(const std::string& folder) {
  if (!replacing_.empty()) return;
  std::vector<std::filesystem::path> paths;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    if (file.path().extension() == ".ptx") paths.push_back(file.path());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    replacing_.push_back(load(path.filename().string(), contents(path)));
    for (const std::string& kernel : replacing_.back().module->kernels()) {
      if (!replaced_by_.emplace(kernel, replacing_.size() - 1).second) {
        throw Error("ptx: " + folder + " has two kernels " + kernel);
      }
    }
  }
  if (replacing_.empty()) throw Error("ptx: " + folder + " has no *.ptx");
}

Entry* Device::entry(const void* host_function) {
  const auto found = entries_.find(host_function);
  if (found == entries_.end()) {
    message_ = "no such kernel is registered";
    return nullptr;
  }
  Entry& entry = found->second;
  if (entry.kernel != nullptr) return &entry;
  try {
    if (!folder_.empty()) {
      load_folder(folder_);
      const auto replacing = replaced_by_.find(entry.name);
      if (replacing == replaced_by_.end()) throw Error("ptx: " + folder_ + " has no kernel " + entry.name);
      const LoadedModule& loaded = replacing_[replacing->second];
      entry.kernel = decode(loaded.module->kernel(entry.name), *loaded.module, loaded.globals);
    } else {
      FatBinary& binary = *entry.binary;
      if (binary.text.empty()) throw Error("ptx: " + binary.name + " embeds no PTX as text");
      if (binary.loaded == nullptr) binary.loaded = std::make_unique<LoadedModule>(load(binary.name, binary.text));
      entry.kernel = decode(binary.loaded->module->kernel(entry.name), *binary.loaded->module, binary.loaded->globals);
    }
  } catch (const std::exception& error) {
    message_ = error.what();
    return nullptr;
  }
  return &entry;
}

void Device::perform(const Work& work) {
  if (stuck_ != cudaSuccess) return;
  if (work.kind == Work::Kind::launch) {
    Launch launch = work.launch;
    if (shuffle_ != 0) launch.shuffle = shuffle_ + work.entry->launches;
    ++work.entry->launches;
    try {
      run(*work.entry->kernel, launch, memory_, checks_.get());
    } catch (const std::exception& error) {
      message_ = error.what();
      stuck_ = cudaErrorLaunchFailure;
    }
    return;
  }
  // Memory that was released since a graph recorded its use.
  const bool to_device = work.kind == Work::Kind::fill || memory_.owns(work.to);
  if (to_device && !memory_.holds(work.to, work.bytes)) {
    message_ = "work of a graph writes memory that was released";
    stuck_ = cudaErrorIllegalAddress;
    return;
  }
  if (work.kind == Work::Kind::fill)
    std::memset(work.to, work.value, work.bytes);
  else
    std::memcpy(work.to, work.from, work.bytes);
  if (to_device) memory_.mark_written(work.to, work.bytes);
}

cudaError_t Device::fail(cudaError_t error, const std::string& why) {
  if (error == cudaSuccess) return error;
  last_ = error;
  message_ = why;
  return error;
}

cudaError_t Device::take_last() {
  const cudaError_t error = stuck_ != cudaSuccess ? stuck_ : last_;
  last_ = cudaSuccess;
  return error;
}

/// TSUGI_PTX_COVERAGE=FOLDER: a line a registered kernel into a file of this process, in columns: name, launches, the
/// lines whose instructions some warp ran, those that none did, and the hot loops as "first-last" of their lines.
void Device::write_coverage() const {
  const std::string folder = setting("TSUGI_PTX_COVERAGE", "");
  if (folder.empty()) return;
  std::ofstream file(folder + "/" + std::to_string(getpid()) + ".txt");
  for (const auto& pair : entries_) {
    const Entry& entry = pair.second;
    file << entry.name << '\t' << entry.launches;
    std::string ran, idle, loops;
    if (entry.kernel != nullptr) {
      const std::vector<Statement>& statements = entry.kernel->source.statements;
      const auto line = [&](int i) { return std::to_string(statements[static_cast<std::size_t>(i)].line); };
      for (int i = 0; i < static_cast<int>(statements.size()); ++i) {
        (entry.kernel->visits[static_cast<std::size_t>(i)] != 0 ? ran : idle) += line(i) + ' ';
      }
      for (const auto& loop : hot_loops(*entry.kernel)) loops += line(loop.first) + '-' + line(loop.second) + ' ';
    }
    file << '\t' << ran << '\t' << idle << '\t' << loops << '\n';
  }
}

}  // namespace ptx
}  // namespace tsugi
