#include <iostream>

#include "engine/core/version.h"

int main() { std::cout << tsugi::version() << '\n'; }
