// Link speeds, times and budgets as people type them.
#pragma once

#include <string>

namespace tsugi::bench {

/// "10Mbit/s", "1.5MB/s", "800kbit/s", "1Gbit/s" (powers of 1000) to bytes a second. Throws Error naming `option` on
/// anything else, zero included.
double parse_link(const std::string& text, const std::string& option);

/// "90" and "90s", "30min" or "30m", "2h", "1d" to seconds. Throws as parse_link.
double parse_duration(const std::string& text, const std::string& option);

/// What may be sent: a size ("20M", as parse_bytes) or, over a link, a time ("30s"). The other of the two is 0.
struct TransferBudget {
  double bytes = 0.0, seconds = 0.0;
};
TransferBudget parse_transfer(const std::string& text, const std::string& option);

}  // namespace tsugi::bench
