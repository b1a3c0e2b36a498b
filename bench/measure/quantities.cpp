#include "bench/measure/quantities.h"

#include <cmath>
#include <cstdlib>

#include "engine/core/device.h"
#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi::bench {
namespace {

constexpr double kLargest = 1e12;

struct Unit {
  const char* name;
  double factor;
};

/// 0 when the text is no positive number with one of these units.
template <std::size_t N>
double number_with_unit(const std::string& text, const Unit (&units)[N]) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !std::isfinite(value) || value <= 0.0) return 0.0;
  for (const Unit& unit : units)
    if (std::string(unit.name) == end) return value * unit.factor;
  return 0.0;
}

double duration_of(const std::string& text) {
  constexpr double kMinute = 60.0, kHour = 3600.0, kDay = 86400.0;
  constexpr Unit kUnits[] = {{"", 1.0}, {"s", 1.0}, {"m", kMinute}, {"min", kMinute}, {"h", kHour}, {"d", kDay}};
  return number_with_unit(text, kUnits);
}

}  // namespace

double parse_link(const std::string& text, const std::string& option) {
  constexpr double kBit = 1.0 / 8.0;
  constexpr Unit kUnits[] = {{"bit/s", kBit}, {"kbit/s", 1e3 * kBit}, {"Mbit/s", 1e6 * kBit}, {"Gbit/s", 1e9 * kBit},
                             {"B/s", 1.0},    {"kB/s", 1e3},          {"MB/s", 1e6},          {"GB/s", 1e9}};
  const double speed = number_with_unit(text, kUnits);
  if (!(speed > 0.0 && speed < kLargest))
    throw Error(option + " is " + shown(text) + ", a speed such as 10Mbit/s or 1.5MB/s expected");
  return speed;
}

double parse_duration(const std::string& text, const std::string& option) {
  const double seconds = duration_of(text);
  if (!(seconds > 0.0 && seconds < kLargest))
    throw Error(option + " is " + shown(text) + ", a time such as 90s, 30min or 2h expected");
  return seconds;
}

TransferBudget parse_transfer(const std::string& text, const std::string& option) {
  const bool unitless = text.find_first_not_of("0123456789.") == std::string::npos;
  TransferBudget budget;
  if (!unitless) budget.seconds = duration_of(text);
  if (budget.seconds > 0.0 && budget.seconds < kLargest) return budget;
  try {
    budget = {static_cast<double>(parse_bytes(text)), 0.0};
  } catch (const Error&) {
    throw Error(option + " is " + shown(text) + ", a size such as 20M or, with --link, a time such as 30s expected");
  }
  return budget;
}

}  // namespace tsugi::bench
