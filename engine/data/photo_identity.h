// What a photo is known by, computed and compared. Its file's digest knows it after a renaming; that of its pixels
// after a lossless re-save or with another EXIF tag; its look after a re-export at another size or quality.
//
// Pixels are those that this build's decoders give, of a large JPEG at the part of its size that decode.h chooses.
// Builds with other decoders round otherwise (stb_image and libjpeg-turbo by 1 of 255 here and there), and a PNG made
// of a large JPEG has all of its pixels: there the digest of pixels differs, and the look, of means over many pixels,
// is what knows the photo. So does a checkpoint of an earlier version find its photos again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/decode.h"

namespace tsugi {

/// `bytes`: the file that `image` was decoded from.
PhotoIdentity identify(const std::vector<std::uint8_t>& bytes, const Image& image);

/// A perceptual hash: signs, against their median, of the 63 lowest frequencies (without the mean) of the picture's
/// brightness at 32 x 32. Source: Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010.
std::uint64_t look_of(const Image& image);

/// Whether two photos of one person are one picture: at most 6 of 63 bits differ. So do 6 of 48,150 pairs of different
/// photos of one person in LFW, 5 of them near-copies to the eye, and 2,418 of 2,418 re-exports at quality 50 to 95,
/// whole or half size; of photos of two people 3 of 4.8 million pairs. Of 403 photos cropped by 2, 5 and 10 % of their
/// sides 385, 252 and 11 are found. 0, of a picture that is too smooth, looks like nothing.
bool looks_alike(std::uint64_t a, std::uint64_t b);

/// Whether file or pixels are the same.
bool same_content(const PhotoIdentity& a, const PhotoIdentity& b);

/// pixels and look as 80 hex digits, and back; the latter throws Error naming `place` on anything else.
std::string to_print(const PhotoIdentity& identity);
PhotoIdentity from_print(const std::string& print, const std::string& place);

/// For each photo the first one of its label that is the same by file, by pixels or by look, or that others in between
/// lead to: the photos of a burst are copies of its first one. Itself where there is none. labels: [identities]
std::vector<std::uint32_t> first_copies(const std::vector<PhotoIdentity>& identities, const std::vector<int>& labels);

}  // namespace tsugi
