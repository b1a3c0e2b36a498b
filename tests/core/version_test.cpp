// What the library says of itself.
#include "engine/core/version.h"

#include <doctest/doctest.h>

#include <string>

TEST_CASE("the library names its version and its compiler") {
  const std::string version = tsugi::version();
  CHECK(version.find_first_not_of("0123456789.") == std::string::npos);
  CHECK(version.find('.') != std::string::npos);
  CHECK(std::string(tsugi::build_description()).find(", ") != std::string::npos);
}
