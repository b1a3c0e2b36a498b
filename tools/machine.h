// The machine that a command runs on, for people who read its results.
#pragma once

#include <cstdint>
#include <string>

namespace tsugi::tools {

/// The value of the first "key : value" line of a /proc file; "unknown" when there is none.
std::string proc_value(const char* path, const std::string& key);

std::string cpu_name();
std::uint64_t memory_bytes();  ///< of the machine

}  // namespace tsugi::tools
