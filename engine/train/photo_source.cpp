// The augmentation op of a batch of photos.
#include "engine/train/photo_source.h"

namespace tsugi {

AugmentForward augment_op(const Preprocessing& p, const SampleRequest& request) {
  AugmentForward op;
  op.n = request.n;
  op.photo_h = op.photo_w = p.stored_size;
  op.h = op.w = p.size;
  op.variants = request.variants;
  op.strength = request.strength;
  for (int i = 0; i < 3; ++i) {
    op.mean[i] = p.mean[i];
    op.inv_std[i] = 1.0f / p.std[i];
  }
  op.step = request.step;
  op.photos = request.rows;
  op.photo_index = request.index;
  op.sample_ids = request.sample_ids;
  op.dtype = request.dtype;
  op.x = request.x;
  op.workspace = request.workspace;
  return op;
}

std::size_t PhotoSource::workspace_bytes(const SampleRequest& request) const {
  return backend().workspace_bytes(augment_op(store_.preprocessing(), request));
}

void PhotoSource::make_batch(const SampleRequest& request) const {
  backend().augment_forward(augment_op(store_.preprocessing(), request));
}

}  // namespace tsugi
