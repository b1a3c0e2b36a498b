// The last layer on the host: a few rows over a few thousand features.
#pragma once

#include <string>
#include <vector>

#include "engine/train/network.h"

namespace tsugi {

/// Samples of a head, host.
struct HeadSamples {
  std::vector<float> features;  ///< [samples, width]
  std::vector<int> labels;      ///< [samples]
};

/// logits = weight x + bias.
struct HeadRows {
  std::size_t rows = 0, width = 0;
  std::vector<float> weight, bias;  ///< [rows, width], [rows]

  double logit(std::size_t row, const float* x) const;
};

/// The head of `network`, or the layer `head` of a checkpoint with float32 tensors; zeros for biases that it does not
/// have, which store_head leaves out.
HeadRows fetch_head(const Network& network);
HeadRows fetch_head(const Checkpoint& checkpoint, const std::string& head);
void store_head(const HeadRows& rows, const std::string& head, Checkpoint& checkpoint);
bool has_bias(const Checkpoint& checkpoint, const Model& model);  ///< its head

/// The class of the largest logit of each sample; -1 where a logit is not finite. Throws Error when features are of
/// another width or not finite.
std::vector<int> predict_by_head(const HeadRows& head, const HeadSamples& samples);

/// Throws Error unless the samples are finite features of `width`. place: opens the message.
void check_samples(const HeadSamples& samples, std::size_t width, const std::string& place);

/// As near as float32 comes: never infinite.
float nearest_float(double value);

}  // namespace tsugi
