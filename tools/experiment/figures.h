// The figures of the report: the source paper's figure 2 (accuracy against time) and figures 3 and on (accuracy against
// what was sent, one a number of people).
#pragma once

#include <vector>

#include "tools/experiment/plot.h"
#include "tools/experiment/results.h"

namespace tsugi::tools {

/// The hand-over's head start: by seconds from just before the checkpoint is read, for the largest number of people.
Figure time_figure(const Results& results);

/// Overall, general and personal accuracy by the fraction that was sent. number: of the figure.
Figure fraction_figure(const Results& results, int people, int number);

}  // namespace tsugi::tools
