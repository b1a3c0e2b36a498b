// The machine that a command runs on, for people who read its results.
#pragma once

#include <cstdint>
#include <string>

namespace tsugi::tools {

/// The value of the first "key : value" line of a /proc file; "unknown" when there is none.
std::string proc_value(const char* path, const std::string& key);

std::string cpu_name();
std::uint64_t memory_bytes();  ///< of the machine

/// The commit that this binary was built from, "-dirty" at its end where files differed from it; "unknown" outside a repository.
const char* commit();

}  // namespace tsugi::tools
