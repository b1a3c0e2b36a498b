// Photos of people in no class, trained on beside those of people: the head has a row more for each stranger, so that
// features also tell people whom nobody names. The rows are the training's alone: nobody is taken for a stranger, and
// no bundle has anything of them. Source: Hendrycks, Mazeika & Dietterich, "Deep anomaly detection with outlier
// exposure", ICLR 2019 (that outliers at hand help; there the outputs are to be uniform on them).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/photo_store.h"
#include "engine/data/scan.h"
#include "engine/formats/checkpoint.h"
#include "engine/train/run.h"

namespace tsugi {

/// Puts the photos of `strangers`, scanned at `place`, behind all others of `folder`, with labels behind those of its
/// people, who stay the only ones with names. Throws Error naming `place` and a stranger who is one of them.
void add_strangers(PhotoFolder& folder, const PhotoFolder& strangers, const std::string& place);

/// The photos of a store from `first` on, strangers', but for those that are also before `first`: a person's, maybe to
/// be tested. The observer hears of these. Throws Error naming `place` when none is left.
std::vector<std::uint32_t> strangers_photos(const PhotoStore& store, std::size_t first, const std::string& place,
                                            const RunObserver& observer);

/// Takes rows of strangers and the names of their photos out of a checkpoint: what may leave the server.
void forget_strangers(Checkpoint& checkpoint);

}  // namespace tsugi
