// The data path: photos decoded, cropped and resized one by one, whole stores on all threads, and augmentation on the
// device.
//   bench_data_path [--photo=FILE.jpg] [--device=cpu] [--threads=N] [Google Benchmark's flags]
// Without --photo: a made-up photo of LFW's size (250x250 JPEG), and one as a phone takes it (3000x4000). Points are
// named as those of tsugi bench are: photo/bPHOTOS/WHAT/op/type/cache.
#include <cmath>
#include <memory>
#include <numeric>

#include "bench/measure/noise_training.h"
#include "bench/programs/program.h"
#include "engine/core/device.h"
#include "engine/core/input_file.h"
#include "engine/data/crop.h"
#include "engine/data/decode.h"
#include "engine/data/encode.h"
#include "engine/data/face.h"
#include "engine/train/photo_source.h"
#include "kernels/api/philox.h"

namespace {

using namespace tsugi;
using namespace tsugi::bench;

constexpr int kQuality = 90;

/// Smooth shades with a little noise, as photos have them: noise alone would be slower to decode than any photo.
std::shared_ptr<const std::vector<std::uint8_t>> made_up_photo(int h, int w) {
  std::vector<std::uint8_t> rgb;
  rgb.reserve(static_cast<std::size_t>(h) * static_cast<std::size_t>(w) * 3);
  for (int i = 0; i < h; ++i)
    for (int j = 0; j < w; ++j)
      for (int c = 0; c < 3; ++c) {
        const double y = 12.0 * i / h, x = 9.0 * j / w;
        const double shade = 128.0 + 60.0 * std::sin(y + c) * std::cos(x) + 30.0 * std::sin(3.0 * x + 2.0 * y);
        const std::uint32_t noise = philox(1, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(j),
                                           purpose::kSynth, static_cast<std::uint32_t>(c))
                                        .v[0];
        rgb.push_back(
            static_cast<std::uint8_t>(std::min(255.0, std::max(0.0, shade + static_cast<double>(noise % 13) - 6.0))));
      }
  return std::make_shared<std::vector<std::uint8_t>>(encode_jpeg({rgb.data(), h, w}, kQuality));
}

struct NamedPhoto {
  std::string name;
  Photo photo;
};

NamedPhoto in_memory(const std::string& name, int h, int w) {
  return {name, {"bench", "bench/" + name + ".jpg", "", made_up_photo(h, w)}};
}

void decode(benchmark::State& state, const Photo& photo) {
  Image image;
  for (auto _ : state) {
    image = decode_image(*photo.bytes, photo.file);
    benchmark::DoNotOptimize(image.rgb.data());
  }
  state.counters["photos/s"] = rate(state, 1.0);
  state.counters["Mpixel/s"] = rate(state, static_cast<double>(image.h) * image.w, 1e6);
  state.counters["file_bytes"] = static_cast<double>(photo.bytes->size());
}

void resize(benchmark::State& state, const Photo& photo) {
  const Preprocessing preprocessing = default_preprocessing(64);
  const Image image = decode_image(*photo.bytes, photo.file);
  std::vector<std::uint8_t> to(static_cast<std::size_t>(preprocessing.stored_size * preprocessing.stored_size) * 3);
  for (auto _ : state) {
    resize_square(image, centre_square(image.h, image.w, static_cast<double>(preprocessing.crop)),
                  preprocessing.stored_size, to.data());
    benchmark::DoNotOptimize(to.data());
  }
  state.counters["photos/s"] = rate(state, 1.0);
}

/// What --crop face adds: where no face is, both looks.
void face(benchmark::State& state, const Photo& photo) {
  const Image image = decode_image(*photo.bytes, photo.file);
  for (auto _ : state) benchmark::DoNotOptimize(find_face(image));
  state.counters["photos/s"] = rate(state, 1.0);
}

/// All of it, on `threads` threads, as a run begins.
void store(benchmark::State& state, const Photo& photo, int threads) {
  constexpr int kPhotos = 32;
  const std::vector<Photo> photos(kPhotos, photo);
  PhotoStoreOptions options;
  options.preprocessing = default_preprocessing(64);
  options.threads = threads;
  for (auto _ : state) {
    const PhotoStore made(photos, std::vector<int>(kPhotos, 0), options);
    benchmark::DoNotOptimize(made.pixels());
  }
  state.counters["photos/s"] = rate(state, kPhotos);
}

/// Augmentation as a step does it: a random variant of each photo of a batch.
void augment(benchmark::State& state, Backend& backend, const bench::Limits& limits, int batch, DType dtype) {
  const PhotoStore photos = bench::noise_photos(batch, 1, default_preprocessing(64));
  PhotoSource source(backend, photos);
  source.make_resident();
  const SampleShape shape = source.shape();
  const StepState step;
  std::vector<std::uint32_t> index(static_cast<std::size_t>(batch));
  std::iota(index.begin(), index.end(), 0u);
  const std::size_t index_bytes = index.size() * sizeof index[0];
  SampleRequest request;
  request.n = batch;
  request.variants = 9;
  request.dtype = dtype;
  const DeviceBuffer x(backend, static_cast<std::size_t>(batch) * shape.count() * size_of(dtype)),
      device_step(backend, sizeof step), rows(backend, index_bytes), ids(backend, index_bytes),
      workspace(backend, std::max<std::size_t>(16, source.workspace_bytes(request)));
  backend.copy_to_device(device_step.data(), &step, sizeof step);
  backend.copy_to_device(rows.data(), index.data(), index_bytes);
  for (std::uint32_t& id : index) id = 9 * id + 1 + id % 8;  // variant 0 is the photo itself
  backend.copy_to_device(ids.data(), index.data(), index_bytes);
  request.step = device_step.as<StepState>();
  request.rows = source.device();
  request.index = rows.as<std::uint32_t>();
  request.sample_ids = ids.as<std::uint32_t>();
  request.x = x.data();
  request.workspace = workspace.data();
  source.make_batch(request);
  backend.synchronize();
  for (auto _ : state) {
    source.make_batch(request);
    backend.synchronize();
  }
  const double bytes = static_cast<double>(static_cast<std::size_t>(batch) * source.row_bytes() + x.bytes());
  state.counters["photos/s"] = rate(state, batch);
  state.counters["bytes"] = bytes;
  state.counters["GB/s"] = rate(state, bytes, 1e9);
  if (limits.copy > 0.0) state.counters["bandwidth_%"] = rate(state, 100.0 * bytes, limits.copy);
}

template <typename Function>
void add(const std::string& name, Function function) {
  benchmark::RegisterBenchmark(name.c_str(), function)->UseRealTime()->Unit(benchmark::kMicrosecond);
}

int run(int argc, char** argv) {
  const std::string path = take("--photo=", "", argc, argv);
  const int threads = whole(take("--threads=", "0", argc, argv), "--threads=", 0);
  const std::unique_ptr<Backend> backend = make_backend(take("--device=", "cpu", argc, argv), threads);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  std::vector<NamedPhoto> photos;
  if (path.empty()) {
    photos = {in_memory("250x250", 250, 250), in_memory("3000x4000", 3000, 4000)};
  } else {
    photos = {{"file", {"bench", path, path, nullptr}}};
    photos[0].photo.bytes = std::make_shared<const std::vector<std::uint8_t>>(read_file(path));
  }
  for (const NamedPhoto& one : photos) {
    const Photo& photo = one.photo;
    add("photo/b1/" + one.name + "/decode/u8/warm", [&photo](benchmark::State& state) { decode(state, photo); });
    add("photo/b1/" + one.name + "/resize/u8/warm", [&photo](benchmark::State& state) { resize(state, photo); });
    if (!face_detector().empty())
      add("photo/b1/" + one.name + "/face/u8/warm", [&photo](benchmark::State& state) { face(state, photo); });
    add("photo/b32/" + one.name + "/store/u8/warm",
        [&photo, threads](benchmark::State& state) { store(state, photo, threads); });
  }
  bench::ResultContext context = bench::context_of(*backend, "bench_data_path", threads);
  context.limits = bench::measure_limits(*backend, nullptr, false);
  for (const int batch : {1, 16, 64})
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
      if (backend->supports(dtype))
        add("photo/b" + std::to_string(batch) + "/64x64/augment/" + name_of(dtype) + "/warm",
            [&, batch, dtype](benchmark::State& state) { augment(state, *backend, context.limits, batch, dtype); });
  return run_registered(context);
}

}  // namespace

int main(int argc, char** argv) {
  return tsugi::bench::guarded("bench_data_path", [&] { return run(argc, argv); });
}
