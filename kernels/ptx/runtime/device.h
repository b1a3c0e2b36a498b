// The one device of the stand-in for the CUDA runtime library: its memory, its kernels, and the error that it is stuck
// with. Environment variables say which GPU it stands for (README.md).
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/ptx/launch.h"

namespace tsugi {
namespace ptx {

/// A module, and where its variables lie in device memory.
struct LoadedModule {
  std::unique_ptr<Module> module;
  std::vector<std::uint64_t> globals;
};

/// What a fat binary embeds: PTX, read when a kernel of it is first launched.
struct FatBinary {
  std::string name, text;
  std::unique_ptr<LoadedModule> loaded;
};

/// A kernel that the program registered, known by the address of its host function.
struct Entry {
  FatBinary* binary = nullptr;
  std::string name;
  std::unique_ptr<Kernel> kernel;  ///< once it was launched
  std::uint64_t launches = 0;
};

/// A launch, a copy or a fill, done at once or recorded in a graph.
struct Work {
  enum class Kind : std::uint8_t { launch, copy, fill };
  Kind kind = Kind::launch;
  Entry* entry = nullptr;
  Launch launch;
  void* to = nullptr;
  const void* from = nullptr;
  std::size_t bytes = 0;
  int value = 0;
};

class Device {
 public:
  static Device& get();

  int sm() const { return sm_; }
  Memory& memory() { return memory_; }
  std::recursive_mutex& mutex() { return mutex_; }

  FatBinary* add_binary(std::string text);
  void add_entry(const void* host_function, FatBinary* binary, const std::string& name);
  /// The kernel, decoded; null, and the reason in message(), where there is none that this device can run.
  Entry* entry(const void* host_function);

  /// Does the work; what a kernel does wrong makes the device stick to an error, as a real one's context does.
  void perform(const Work& work);
  /// An error of a call: kept for cudaGetLastError. why: for the message of cudaGetErrorString.
  cudaError_t fail(cudaError_t error, const std::string& why);
  cudaError_t stuck() const { return stuck_; }
  cudaError_t take_last();
  cudaError_t last() const { return last_; }
  const std::string& message() const { return message_; }

 private:
  Device();
  ~Device();
  void load_folder(const std::string& folder);
  LoadedModule load(const std::string& name, std::string text);
  void write_coverage() const;

  int sm_;
  std::uint64_t shuffle_;
  std::unique_ptr<Checks> checks_;
  Memory memory_;
  std::recursive_mutex mutex_;
  std::vector<std::unique_ptr<FatBinary>> binaries_;
  std::unordered_map<const void*, Entry> entries_;
  std::string folder_;
  std::vector<LoadedModule> replacing_;             ///< of TSUGI_PTX_FOLDER
  std::map<std::string, std::size_t> replaced_by_;  ///< by a kernel's name
  cudaError_t last_ = cudaSuccess, stuck_ = cudaSuccess;
  std::string message_;
};

}  // namespace ptx
}  // namespace tsugi
