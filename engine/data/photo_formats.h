// The formats of photos: what they are called, how files of them are named, and which of them this build reads. The one
// list of names; what a file is, its content says (photo_header.h).
#pragma once

#include <string>
#include <vector>

#include "engine/data/codecs/codec.h"
#include "engine/data/photo_header.h"

namespace tsugi {

struct PhotoFormat {
  PhotoKind kind = PhotoKind::other;
  std::string name;                  ///< "JPEG"
  std::vector<std::string> endings;  ///< of file names, in lower case: ".jpg"; none for what nobody takes photos in
  Codec codec;                       ///< its library is "" where this build does not read the format
  bool readable() const { return !codec.library.empty(); }
  bool somewhere() const { return kind < PhotoKind::jpeg_xl; }  ///< some build reads it
};

/// All of them, those that some build reads first.
std::vector<PhotoFormat> photo_formats();

/// Whether a name ends like a photo's, in any case. Photos that this build cannot read are photos, too.
bool is_photo_name(const std::string& name);

/// Of those that this build reads: "JPEG, PNG or WebP", with `last` before the last one; and "*.jpg, *.jpeg, *.png".
std::string readable_formats(const std::string& last);
std::string readable_endings();

/// Why a photo of this kind is not read, for people who have one: "is BMP, which tsugi does not read: convert it …". ""
/// where this build reads it.
std::string why_unreadable(PhotoKind kind);

}  // namespace tsugi
