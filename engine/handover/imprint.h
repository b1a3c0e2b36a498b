// Rows of the last layer for new people, from features alone: no step of training, and the old rows stay as they are.
// Sources: Qi, Brown, Lowe, "Low-shot learning with imprinted weights", CVPR 2018 (the start); Zhu et al., "Prototype
// augmentation and self-supervision for incremental learning" (PASS), CVPR 2021 (old people replayed as draws around
// their mean features).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/handover/people_statistics.h"
#include "engine/train/network.h"

namespace tsugi {

/// Samples of a head, host.
struct HeadSamples {
  std::vector<float> features;  ///< [samples, width]
  std::vector<int> labels;      ///< [samples]
};

/// Draws around each old person's mean feature, from Gaussians of the pooled covariance: what the old people look like
/// to the head where there is no photo of them. The same seed gives the same draws.
HeadSamples replay(const PeopleStatistics& statistics, std::uint64_t seed);

/// Sets the head's rows first_new.. of `network`. First the mean way: with f the mean feature of a new person and f0
/// that of the old people, w = (f - f0) scaled to the old rows' mean norm, and the bias such that at f0 the new logit
/// equals the mean of the old ones (f0 = 0 where there are no old people). Then, where there are old people, the rows
/// are fitted: softmax cross-entropy over `old` and `fresh` (labels >= first_new), everybody with the same weight, in
/// the new rows only: a convex problem of a few hundred unknowns. Rows are finite whatever the features: dead, equal,
/// collinear or huge. Throws Error when features of another width or ones that are not finite are given.
void imprint_rows(Network& network, int first_new, const HeadSamples& old, const HeadSamples& fresh);

/// The class of the largest logit of each sample, by the network's head alone; -1 where a logit is not finite. Throws
/// as imprint_rows.
std::vector<int> predict_by_head(const Network& network, const HeadSamples& samples);

}  // namespace tsugi
