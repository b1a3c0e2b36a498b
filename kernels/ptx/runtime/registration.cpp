// What nvcc's host code calls before main(): fat binaries and the kernels in them. Source: crt/host_runtime.h and
// fatbinary_section.h of the CUDA toolkit; a fat binary's layout as `cuobjdump` shows it.
#include <cstring>

#include "kernels/ptx/runtime/device.h"

namespace {

struct Wrapper {
  int magic, version;
  const unsigned char* data;
  void* file;
};

struct Header {
  std::uint32_t magic;
  std::uint16_t version, header_bytes;
  std::uint64_t bytes;  ///< behind the header
};

/// The first piece of text that is PTX; empty where all is machine code or compressed.
std::string ptx_of(const unsigned char* data) {
  Header header;
  std::memcpy(&header, data, sizeof header);
  const std::string all(reinterpret_cast<const char*>(data) + header.header_bytes, header.bytes);
  const std::size_t begin = all.find(".version ");
  return begin == std::string::npos ? "" : all.substr(begin, all.find('\0', begin) - begin);
}

}  // namespace

using tsugi::ptx::Device;

extern "C" {

void** __cudaRegisterFatBinary(void* wrapper) {
  return reinterpret_cast<void**>(Device::get().add_binary(ptx_of(static_cast<Wrapper*>(wrapper)->data)));
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void** binary, const char* host_function, char*, const char* name, int, uint3*, uint3*,
                            dim3*, dim3*, int*) {
  Device::get().add_entry(host_function, reinterpret_cast<tsugi::ptx::FatBinary*>(binary), name);
}
void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}
char __cudaInitModule(void**) { return 1; }
unsigned __cudaPushCallConfiguration(dim3, dim3, std::size_t, cudaStream_t) { return 0; }
cudaError_t __cudaPopCallConfiguration(dim3*, dim3*, std::size_t*, void*) { return cudaErrorInvalidConfiguration; }

}  // extern "C"
