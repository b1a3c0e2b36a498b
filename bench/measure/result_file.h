// Result files: what was measured, and on what. JSON as Google Benchmark writes it (context and benchmarks), so that
// the field's tools read them too; programs of bench/ that use that library write the same fields, and are read here
// the same way.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/measure/environment.h"
#include "bench/measure/limits.h"
#include "engine/core/file_log.h"
#include "engine/model/step_probe.h"
#include "kernels/api/conv2d.h"

namespace tsugi::bench {

/// Of the fields below. Another number is another meaning: such a file is refused.
constexpr int kResultSchema = 1;

struct ResultContext {
  std::string version, commit, build;  ///< of tsugi: what measured
  std::string executable;
  std::string device, device_description;  ///< "cpu"; "AMD EPYC, 2 threads, oneDNN 2.6.3"
  int threads = 0;                         ///< of the CPU; 0 = all cores
  int tuned_calls = 0;                     ///< that took another kernel than the default, by tsugi tune
  int points_left_out = 0;                 ///< that a stop or a budget left without a sample
  Environment before, after;               ///< at the begin and at the end of the measurement
  Limits limits;
  double processor_wait = 0.0;  ///< ProcessorWait::share() over the measurement
  bool brief = false;           ///< a smoke run: its times mean nothing
};

/// One point. Times are seconds of one call: medians over samples.
struct ResultEntry {
  std::string name;                            ///< key: "resnet-18/b16/conv1/conv2d_forward/f32/cold"
  std::string model, layer, op, dtype, cache;  ///< cache: "cold", "warm", or empty
  int batch = 0, times = 1;
  double seconds = 0.0, deviation = 0.0, processor_seconds = 0.0;
  int samples = 0, calls = 0;
  double flops = 0.0, bytes = 0.0;  ///< of one call; 0 = nobody said
  std::string kernel;               ///< that computed it, where the device has a choice: "direct", a registry row
  bool pinned = false;  ///< this kernel was asked for, and its name ends the point's; not the device's choice
  std::optional<Conv2dShape> shape;  ///< of a convolution or dense layer; not read from files
  /// Another library on the same call, in turn with it: "cudnn", "onednn"; empty = nobody. Equal to `kernel`: it
  /// computed the call.
  std::string peer;
  double peer_seconds = 0.0, peer_deviation = 0.0;
  std::string failure;  ///< why there is no time
};

/// One layer of a step, fused ones together.
struct StepLayer {
  std::string layer, op;
  double forward_s = 0.0, backward_s = 0.0;  ///< medians over the steps
  double forward_flops = 0.0;                ///< of the whole batch
};

/// What `tsugi bench --step` adds.
struct StepResult {
  bool measured = false;
  std::string model, precision;
  int batch = 0, micro_batch = 0, steps = 0;
  double step_s = 0.0, step_deviation_s = 0.0;  ///< of whole steps, nobody watching
  double watched_step_s = 0.0;  ///< of steps whose parts were timed, from their first to their last border, and
  double parts_s = 0.0;         ///< the sum of the medians of their parts
  double data_s = 0.0, augment_s = 0.0, loss_s = 0.0, update_s = 0.0, results_s = 0.0;
  std::vector<StepLayer> layers;
  std::size_t arena_bytes = 0, device_bytes = 0;  ///< planned
  std::size_t peak_memory_bytes = 0;              ///< of the process
};

/// The parts of a step that are no layer's, and where their time is.
struct StepPhase {
  StepPart part;
  double StepResult::*seconds;
  std::string key() const { return name_of(part) + std::string("_s"); }  ///< in files
};
constexpr StepPhase kStepPhases[] = {{StepPart::data, &StepResult::data_s},
                                     {StepPart::augment, &StepResult::augment_s},
                                     {StepPart::loss, &StepResult::loss_s},
                                     {StepPart::update, &StepResult::update_s},
                                     {StepPart::results, &StepResult::results_s}};

struct ResultFile {
  ResultContext context;
  std::vector<ResultEntry> entries;
  StepResult step;
};

/// Share of the device's peak, of its copy bandwidth, and of its roofline; 0 where it cannot be said.
double peak_share(const ResultEntry& entry, const Limits& limits);
double bandwidth_share(const ResultEntry& entry, const Limits& limits);
double roofline_share(const ResultEntry& entry, const Limits& limits);

/// Speed relative to the peer's: its time over ours; 0 where there is none.
double peer_ratio(const ResultEntry& entry);

/// The whole file, or on one line for --json.
std::string to_json(const ResultFile& file, bool one_line);

/// Writes it whole or not at all. Throws Error naming the path.
void write_result_file(const std::string& path, const ResultFile& file);

/// Throws Error naming the path, the place in it and what was expected: not JSON, cut off, another schema, fields that
/// are missing or of another type, times that are not positive, two points of one name.
ResultFile read_result_file(const std::string& path, FileLog* files = nullptr);
ResultFile parse_result_file(const std::string& text, const std::string& place);

/// The fields of a context as Google Benchmark's AddCustomContext() takes them.
std::vector<std::pair<std::string, std::string>> context_fields(const ResultContext& context);

/// Fills in what this process knows of itself.
ResultContext context_of(const Backend& backend, const std::string& executable, int threads);

/// "f32" and "fp32" alike. Throws Error on a word that is no type.
DType dtype_named(const std::string& name);

}  // namespace tsugi::bench
