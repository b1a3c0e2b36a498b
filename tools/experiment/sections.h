// The parts of the report's page, from top to bottom; each returns markup, "" where its cells are missing.
#pragma once

#include <string>

#include "tools/experiment/results.h"

namespace tsugi::tools {

std::string headline_section(const Results& results);
/// The numbers behind one of the figures 3 and on.
std::string fraction_tables(const Results& results, int people);
/// Activations instead of photos.
std::string features_section(const Results& results);
std::string ablation_section(const Results& results);
std::string forgetting_section(const Results& results);
std::string bytes_section(const Results& results);
std::string repeat_section(const Results& results);

}  // namespace tsugi::tools
