// Photos of noise for benchmarks of training: what a pixel holds does not change how long a step takes.
#pragma once

#include "engine/data/photo_store.h"

namespace tsugi::bench {

/// `count` photos, of `classes` classes in turn.
PhotoStore noise_photos(int count, int classes, const Preprocessing& preprocessing);

}  // namespace tsugi::bench
