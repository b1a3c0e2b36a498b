// Which square of a photo the network gets: its centre, or what lies around a face as if the photo were aligned.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/data/decode.h"

namespace tsugi {

/// A square part of a picture, in its pixels; it may reach beyond the edges, whose pixels are then repeated.
struct Square {
  double left = 0.0, top = 0.0, side = 1.0;
};

/// The square of `share` of the shorter side of an h x w picture, about its centre.
Square centre_square(int h, int w, double share);

/// The square of `share` of an aligned photo of this face. In LFW, whose photos are aligned, faces have boxes of 0.41
/// of the side, 0.033 of the side below the centre (medians of find_face over 294 photos of 14 people; nine of ten
/// boxes have 0.38 to 0.46 of the side, and their centres lie within 0.02 of that place). A box that is no square
/// counts as the square of its longer side about its centre.
Square face_square(const Box& face, double share);

/// How much of a photo is taken, where, and whether a face was looked for in vain.
struct PhotoSquare {
  std::optional<Square> square;  ///< nothing: the photo is left out
  bool faceless = false;
};

/// The square that `preprocessing` takes of the photo, whose picture this is. Throws Error naming the photo where its
/// `face` is larger than the picture or lies outside of it.
PhotoSquare square_of(const Photo& photo, const Image& image, const Preprocessing& preprocessing);

/// The most memory that square_of and resize_square take for an h x w photo beside the picture, bytes.
std::uint64_t crop_bytes(const Photo& photo, std::uint64_t h, std::uint64_t w, const Preprocessing& preprocessing);

/// Resizes the square to `size` x `size` with a cubic filter that widens with the reduction (antialiasing). Writes
/// [size,size,3] to `to`. Throws Error where a side, the size or the picture is empty.
void resize_square(const Image& image, const Square& square, int size, std::uint8_t* to);

}  // namespace tsugi
