// A start for new people's rows of the last layer where nothing is known of the old people but their rows. Source: Qi,
// Brown, Lowe, "Low-shot learning with imprinted weights", CVPR 2018.
#pragma once

#include "engine/handover/head_rows.h"

namespace tsugi {

/// Sets the rows first_new.. of `head`: each is its person's mean feature, as long as the old rows are in the mean, its
/// bias the mean of theirs. fresh: samples of the new people (labels >= first_new). Rows are finite whatever the
/// features: dead, equal or huge. Throws as check_samples.
void imprint_rows(HeadRows& head, int first_new, const HeadSamples& fresh);

}  // namespace tsugi
