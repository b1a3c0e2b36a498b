// A program that uses the installed library: find_package(tsugi).
#include <iostream>

#include "engine/core/version.h"

int main() { std::cout << tsugi::version() << '\n'; }
