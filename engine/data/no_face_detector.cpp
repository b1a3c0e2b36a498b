// Stands in for face_detector.cpp in builds without dlib: no face is found.
#include "engine/data/face_detector.h"
#include "kernels/api/error.h"

namespace tsugi {

std::string face_detector_name() { return ""; }

std::vector<Box> detect_faces(const GreyImage&, int, int) { throw Error("faces: this build has no detector"); }

}  // namespace tsugi
