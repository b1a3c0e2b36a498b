// Finds photos: one folder a person, files named as photos are (photo_formats.h). Nothing is decoded here.
#pragma once

#include <string>
#include <vector>

#include "engine/data/photo.h"

namespace tsugi {

/// Photos of several people. Sorted bytewise by class, then by file name, so that the order depends on the names alone.
/// A class is named as its folder is, in composed() form: the same on every file system.
struct PhotoFolder {
  std::vector<std::string> class_names;  ///< sorted, distinct
  std::vector<Photo> photos;
  std::vector<int> labels;  ///< [photos] index into class_names
  std::vector<std::string>
      ignored;  ///< entries that are no photos, relative to the folder; hidden entries are not listed
};

/// Scans DIR/<person>/<photo>. Links are followed; folders inside a person's folder are ignored and listed.
/// Throws Error naming the folder when it is missing, is no folder, holds fewer than `min_classes` people, when a
/// person's folder holds no photo, when two folders have one name once composed, or when a name is not safe
/// (check_name).
PhotoFolder scan_photos(const std::string& dir, int min_classes = 2);

/// What lies below a folder at any depth, nobody's folder in particular.
struct PhotosBelow {
  std::vector<std::string> photos;  ///< paths that begin with the folder, a folder's own before those of folders in it
  std::vector<std::string> unreadable;  ///< "FOLDER: why", of the folders that could not be listed
};

/// All photos below `dir`: links are followed, but not into a folder that holds them; hidden entries are left out.
PhotosBelow photos_below(const std::string& dir);

/// Scans one person's folder of photos (the class takes the folder's name), or a folder of such folders.
/// Photos directly in `dir` make it one person's folder. Throws as scan_photos does.
PhotoFolder scan_person(const std::string& dir);

/// Scans photos of strangers: a folder for each of them, and photos directly in `dir`, each of a person of their own
/// ("1.jpg" shows "1.jpg"). Throws as scan_photos does; Error naming the folder when it holds nobody.
PhotoFolder scan_strangers(const std::string& dir);

}  // namespace tsugi
