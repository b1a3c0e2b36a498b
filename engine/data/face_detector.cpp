// dlib's frontal face detector: five linear filters over histograms of oriented gradients, slid over a pyramid of the
// picture. Source: N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection", 2005; D. King,
// "Max-margin object detection", 2015, http://dlib.net.
//
// The filters step by eight pixels and a fifth of the size, so that the box of the best answer alone jumps about: by 2
// % of an LFW photo's side and 10 % of its own. All answers around it, averaged by how sure they are, jump by 0.4 and 3
// % (nine of ten placements of 49 photos).
#include "engine/data/face_detector.h"

// What Debian's dlib was configured with must not be asked of whoever links this: LAPACK for a decomposition at the
// start, for which dlib has code of its own.
#include <dlib/assert.h>
#include <dlib/test_for_odr_violations.h>
#undef DLIB_USE_LAPACK
#undef DLIB_USE_BLAS
#include <dlib/array2d.h>
#include <dlib/image_processing/frontal_face_detector.h>
#include <dlib/image_transforms/interpolation.h>
#include <dlib/revision.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tsugi {
namespace {

using dlib::frontal_face_detector;
using Scanner = frontal_face_detector::image_scanner_type;

/// An answer of one filter at one place; its score is above 0 where the filter takes it for a face.
struct Answer {
  double score;
  dlib::rectangle box;
};

constexpr double kLeastScore = -0.5;  // of the answers that are averaged

/// Answers above kLeastScore, best first.
std::vector<Answer> answers_on(const dlib::array2d<unsigned char>& image) {
  static const frontal_face_detector detector = dlib::get_frontal_face_detector();
  Scanner scanner;
  scanner.copy_configuration(detector.get_scanner());
  scanner.load(image);
  std::vector<Answer> answers;
  std::vector<std::pair<double, dlib::rectangle>> found;
  for (unsigned long i = 0; i < detector.num_detectors(); ++i) {
    const auto& filter = detector.get_processed_w(i);
    const double threshold = filter.w(scanner.get_num_dimensions());
    scanner.detect(filter.get_detect_argument(), found, threshold + kLeastScore);
    for (const auto& [score, box] : found) answers.push_back({score - threshold, box});
  }
  std::stable_sort(answers.begin(), answers.end(), [](const Answer& a, const Answer& b) { return a.score > b.score; });
  return answers;
}

/// Of two boxes: what they share of what they cover together.
double overlap(const dlib::rectangle& a, const dlib::rectangle& b) {
  const auto shared = static_cast<double>(a.intersect(b).area());
  return shared / (static_cast<double>(a.area()) + static_cast<double>(b.area()) - shared);
}

Box mean_around(const dlib::rectangle& best, const std::vector<Answer>& answers) {
  constexpr double kSameFace = 0.5;
  double weights = 0.0, x = 0.0, y = 0.0, log_side = 0.0;
  for (const Answer& answer : answers) {
    if (overlap(answer.box, best) < kSameFace) continue;
    const double weight = answer.score - kLeastScore;
    weights += weight;
    x += weight * (static_cast<double>(answer.box.left()) + 0.5 * static_cast<double>(answer.box.width()));
    y += weight * (static_cast<double>(answer.box.top()) + 0.5 * static_cast<double>(answer.box.height()));
    log_side += weight * std::log(static_cast<double>(answer.box.width()));
  }
  const double side = std::exp(log_side / weights);
  return {x / weights - 0.5 * side, y / weights - 0.5 * side, side, side};
}

dlib::array2d<unsigned char> resized(const GreyImage& image, int h, int w) {
  dlib::array2d<unsigned char> whole(image.h, image.w);
  for (int y = 0; y < image.h; ++y)
    std::memcpy(&whole[y][0], &image.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(image.w)],
                static_cast<std::size_t>(image.w));
  if (h == image.h && w == image.w) return whole;
  dlib::array2d<unsigned char> to(h, w);
  dlib::resize_image(whole, to, dlib::interpolate_bilinear());
  return to;
}

}  // namespace

std::string face_detector_name() {
  return "dlib " + std::to_string(DLIB_MAJOR_VERSION) + "." + std::to_string(DLIB_MINOR_VERSION) + "." +
         std::to_string(DLIB_PATCH_VERSION);
}

std::vector<Box> detect_faces(const GreyImage& image, int h, int w) {
  const std::vector<Answer> answers = answers_on(resized(image, h, w));
  std::vector<dlib::rectangle> faces;
  std::vector<Box> boxes;
  constexpr double kApart = 0.3;
  for (const Answer& answer : answers) {
    if (answer.score <= 0.0) break;
    const auto same = [&](const dlib::rectangle& face) { return overlap(face, answer.box) > kApart; };
    if (std::any_of(faces.begin(), faces.end(), same)) continue;
    faces.push_back(answer.box);
    Box box = mean_around(answer.box, answers);
    const double across = static_cast<double>(image.w) / w, down = static_cast<double>(image.h) / h;
    boxes.push_back({box.x * across, box.y * down, box.w * across, box.h * down});
  }
  return boxes;
}

}  // namespace tsugi
