// The head of a hand-over, computed from statistics alone: nothing is trained. A person's row points from the centre of
// the server's people to the person's mean feature, seen in a space where people vary alike in every direction, and all
// rows are equally long there:
//
//     S = (1 - l) Sw + l tr(Sw)/d I        Sw: covariance within people, l = 0.1
//     w = S^-1 (mean - m) / sqrt((mean - m)' S^-1 (mean - m))      m: mean of the server's people's means
//     b = -w' m                            personal people: + delta
//
// A row depends on its own person's mean and on the server's statistics, which never change: people who come and go
// move nobody else's row, and what is known after them does not tell in which order they came. Only delta, the new
// people's common advantage, and the temperature of all rows are chosen for all: see HeadDraws. Sources: Hayes & Kanan
// (people_statistics.h), whose rows are not of equal length; Qi, Brown, Lowe, "Low-shot learning with imprinted
// weights", CVPR 2018, which are, in the space of the features themselves.
#pragma once

#include <vector>

#include "engine/handover/head_rows.h"
#include "engine/handover/people_statistics.h"
#include "engine/train/evaluation.h"

namespace tsugi {

/// What may be lost of the server's people's accuracy, and how often the personal people are then recognised: on their
/// own photos, each left out of its person's mean while it is asked. No photos where nobody has two.
struct HeadTrade {
  double general_loss = 0.0;  ///< points
  Tally personal;
};

struct AnalyticHead {
  HeadRows rows;        ///< of the server's people, then the personal ones
  double spread = 1.0;  ///< of the draws (see HeadDraws) that stand for the server's people's photos
  HeadTrade chosen;
  std::vector<HeadTrade> curve;  ///< what other losses would give
};

/// general_loss: the most points (0 to 100) of the server's people's accuracy that the personal people may cost, as far
/// as draws can tell. bias: whether the head has one; without, m = 0 and delta = 0. Rows are finite whatever the
/// statistics: of two people, of one photo, without variance, or no covariance at all.
AnalyticHead analytic_head(const PeopleStatistics& statistics, double general_loss, bool bias = true);

}  // namespace tsugi
