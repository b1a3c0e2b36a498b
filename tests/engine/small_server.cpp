#include "tests/engine/small_server.h"

#include <algorithm>
#include <fstream>

#include "tests/engine/overrides.h"
#include "tests/engine/support.h"

namespace tsugi::test {

SmallServer::SmallServer(const std::string& layers) : personal(folder / "personal/p3") {
  const PhotoSet general = make_photos(3, 5);
  write_photos(general, folder / "general");
  write_photos(make_photos(1, 6, 3), folder / "personal");
  std::ofstream(folder / "tiny.json") << model_json(layers, 16);
  pretrain(pretraining("server.safetensors"), {});
  checkpoint = read_checkpoint(folder / "server.safetensors");
  photos.checkpoint = checkpoint;
  photos.strategy = "stratified";
  photos.fraction = 1.0;
  for (const Photo& photo : general.photos) {
    const bool test = std::count(checkpoint.test_photos.begin(), checkpoint.test_photos.end(), photo.file) > 0;
    photos.photos.push_back({photo.class_name, photo.file.substr(photo.file.find('/') + 1), test, photo.bytes, ""});
  }
}

PretrainRequest SmallServer::pretraining(const std::string& output) const {
  PretrainRequest request;
  request.train.precision = "fp32";
  request.train.threads = 1;
  set_overrides(request, R"({"epochs": 3, "batch": 6, "variants": 2})");
  request.train.run.output = folder / output;
  request.photos = folder / "general";
  request.model = folder / "tiny.json";
  return request;
}

HandoverRequest SmallServer::request(const std::string& bundle, const std::string& output) const {
  HandoverRequest request;
  request.train.precision = "fp32";
  request.train.threads = 1;
  set_overrides(request, R"({"epochs": 2})");
  request.train.run.output = folder / output;
  request.bundle = bundle;
  request.personal = personal;
  request.keep = Keep::trained;
  return request;
}

}  // namespace tsugi::test
