// From the names that people type (--device, --precision, --memory) to a backend, a type and bytes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/api/backend.h"

namespace tsugi {

/// The names that --device takes, "auto" among them; which of them work is up to the build and the machine.
std::vector<std::string> device_names();

/// "auto" takes cuda where build and machine have it, else cpu; Backend::name() says which. "simt:53" emulates another
/// architecture than "simt" (75). `threads`: of the CPU, 0 = all cores. Throws Error on an unknown name, and on a
/// device that this build or this machine does not have: nothing falls back silently.
std::unique_ptr<Backend> make_backend(const std::string& device, int threads);

/// "fp32", "bf16", "fp16", or "auto": the fastest type that trains as accurately on this backend. Throws Error on any
/// other word, and on a type that the backend does not compute in.
DType choose_precision(const std::string& precision, const Backend& backend);

/// "fp32", "bf16", "fp16": the command line's name of a type.
const char* precision_name(DType dtype);

/// "2G", "512M", "1.5G", "65536" (bytes; K, M, G are powers of 1024) to bytes. Throws Error on anything else, zero
/// included.
std::size_t parse_bytes(const std::string& text);

/// Largest resident memory of this process so far, bytes.
std::size_t peak_process_bytes();

}  // namespace tsugi
