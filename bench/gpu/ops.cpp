// Every registry row and cuDNN on the convolutions and dense layers of the models, on one GPU in one run:
// bench_gpu_ops. Contenders of a shape take turns; each is timed on warm and on cold caches; rates stand beside the
// peaks that the same program measures. Tensors are random; products only, no bias and no activation, which every
// library computes.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bench/measure/limits.h"
#include "bench/measure/op_set.h"
#include "bench/measure/shape_lists.h"
#include "bench/measure/statistics.h"
#include "engine/core/text.h"
#include "engine/core/version.h"
#include "kernels/api/layout.h"

namespace {

using namespace tsugi;
using namespace tsugi::bench;
using Json = nlohmann::ordered_json;

constexpr const char* kUsage =
    "bench_gpu_ops [--device cuda|simt] [--models a,b] [--batches 16,64] [--dtypes f32,f16] [--rows all|chosen]\n"
    "              [--seconds N] [--samples N] [--smoke] [--json FILE]\n"
    "  --rows chosen   only the row that dispatch takes, and cuDNN (default: all rows)\n"
    "  --seconds       stop to begin new shapes after that long (default 90); what was left out is counted\n"
    "  --smoke         tiny shapes, one sample: shows that the program works, also on the emulator\n";

struct Options {
  std::string device = "cuda", json;
  std::vector<std::string> models{"faces-cnn", "faces-resnet", "faces-mobile", "resnet-18"};
  std::vector<std::string> batches{"64", "16"}, dtypes{"f32", "f16"};
  bool all_rows = true, smoke = false;
  double seconds = 90.0;
  TimingOptions timing;
};

struct Usage : Error {
  using Error::Error;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--smoke") {
      options.smoke = true;
      continue;
    }
    if (i + 1 == argc) throw Usage(flag + ": a value is missing");
    const std::string value = argv[++i];
    if (flag == "--device") {
      options.device = value;
    } else if (flag == "--models") {
      options.models = split(value);
    } else if (flag == "--batches") {
      options.batches = split(value);
    } else if (flag == "--dtypes") {
      options.dtypes = split(value);
    } else if (flag == "--rows" && (value == "all" || value == "chosen")) {
      options.all_rows = value == "all";
    } else if (flag == "--seconds") {
      options.seconds = std::stod(value);
    } else if (flag == "--samples") {
      options.timing.samples = std::stoi(value);
    } else if (flag == "--json") {
      options.json = value;
    } else {
      throw Usage(flag + " " + value + ": unknown");
    }
  }
  return options;
}

const char* kWarm = "warm";
const char* kCold = "cold";

/// One line of the results: a contender on a pass of a shape.
struct Result {
  OpCase op_case;
  KernelOp pass;
  DType dtype;
  std::string contender;  ///< "dispatch", a row's name, "cudnn nhwc", "cudnn nchw"
  std::string row;        ///< dispatch: the row that it took
  Timing timing[2];       ///< warm, cold
  std::string failure;
};

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {
    if (options.device == "cuda") {
      ours_ = make_cuda_backend();
      for (const auto& [layout, name] :
           {std::pair{TensorLayout::nhwc, "cudnn nhwc"}, {TensorLayout::nchw, "cudnn nchw"}}) {
        try {
          cudnn_.emplace_back(name, make_cudnn_backend(layout));
        } catch (const Error& error) {
          std::cerr << "without cuDNN: " << printable(error.what()) << "\n";
        }
      }
    } else if (options.device == "simt") {
      ours_ = make_simt_backend(75);
    } else {
      throw Usage("--device " + options.device + ": known are cuda, simt");
    }
    memory_ = std::make_unique<BenchMemory>(*ours_);
    if (options_.smoke) {
      options_.timing.samples = 1;
      options_.timing.max_calls = 2;
    }
  }

  void run() {
    limits_ = measure_limits(*ours_, cudnn_.empty() ? nullptr : cudnn_.front().second.get(), options_.smoke);
    std::cerr << ours_->description() << "\n" << text(limits_) << "\n";
    const double begin = now();
    for (const std::string& batch : options_.batches) {
      for (const std::string& dtype : options_.dtypes) {
        for (const OpCase& op_case : cases(std::stoi(batch))) {
          if (!options_.smoke && now() - begin > options_.seconds) {
            ++left_out_;
            continue;
          }
          time_case(op_case, dtype == "f16" ? DType::f16 : DType::f32);
        }
      }
      if (options_.smoke) break;
    }
  }

  bool any_failure() const { return failures_ > 0; }
  Json json() const;
  void print_summary() const;

 private:
  /// Convolutions and dense layers: the ops that have a choice of kernels.
  std::vector<OpCase> cases(int batch) const {
    std::vector<OpCase> all, products;
    if (options_.smoke) {
      all = smoke_cases();
    } else {
      for (const std::string& model : options_.models) {
        const std::vector<OpCase> more = op_cases(find_shape_list(model), batch);
        all.insert(all.end(), more.begin(), more.end());
      }
    }
    for (const OpCase& op_case : all)
      if (op_case.product()) products.push_back(op_case);
    return products;
  }

  void time_case(const OpCase& op_case, DType dtype);
  double ratio(const Result& ours, int cache) const;

  Options options_;
  std::unique_ptr<RegistryBackend> ours_;
  std::unique_ptr<BenchMemory> memory_;
  std::vector<std::pair<std::string, std::unique_ptr<Backend>>> cudnn_;
  Limits limits_;
  std::vector<Result> results_;
  int left_out_ = 0, failures_ = 0;
};

void Bench::time_case(const OpCase& op_case, DType dtype) {
  OpSet set(*memory_, op_case, dtype, options_.smoke ? 0 : kColdBytes);
  const std::vector<Row> rows = ours_->rows();
  for (const OpPass direction : passes_of(op_case)) {
    const KernelOp pass = kernel_call(op_case, direction, dtype).op;
    std::vector<Contender> contenders;
    std::vector<Result> results;
    const auto add = [&](const std::string& name, const std::string& row, Backend& backend, int pinned) {
      Result result{op_case, pass, dtype, name, row, {}, ""};
      try {
        if (&backend == ours_.get()) ours_->pin(pinned);
        Contender made = set.contender(name, backend, direction);
        if (&backend == ours_.get()) {
          made.call = [this, pinned, call = made.call](int copy) {
            ours_->pin(pinned);
            call(copy);
          };
          ours_->pin(-1);
        }
        contenders.push_back(made);
      } catch (const Error& error) {
        ours_->pin(-1);
        result.failure = error.what();
        contenders.push_back({name, &backend, [](int) { throw Error("not planned"); }});
      }
      results.push_back(result);
    };
    std::string chosen;
    try {
      chosen = name_of(rows[ours_->row_for(pass, op_case.shape, dtype)]);
    } catch (const Error&) {  // the contender will say so
    }
    add("dispatch", chosen, *ours_, -1);
    for (std::size_t i = 0; options_.all_rows && i < rows.size(); ++i) {
      if (rows[i].op != pass || rows[i].dtype != dtype || rows[i].min_sm > ours_->sm() ||
          !ours_->covers(i, op_case.shape))
        continue;
      add(name_of(rows[i]), name_of(rows[i]), *ours_, static_cast<int>(i));
    }
    for (const auto& [name, backend] : cudnn_) add(name, "", *backend, -1);
    for (const int cache : {0, 1}) {
      std::vector<std::string> failures;
      const std::vector<Timing> timings =
          time_in_turn(contenders, cache == 0 ? 1 : set.copies(), options_.timing, failures);
      for (std::size_t i = 0; i < results.size(); ++i) {
        results[i].timing[cache] = timings[i];
        if (results[i].failure.empty()) results[i].failure = failures[i];
      }
    }
    ours_->pin(-1);
    for (const Result& result : results) {
      // What cuDNN does not compute is no failure of ours.
      if (result.failure.empty()) continue;
      const bool ours = result.contender.rfind("cudnn", 0) != 0;
      failures_ += ours ? 1 : 0;
      std::cerr << printable(op_case.model + " " + op_case.layer + ", " + result.contender + ": " + result.failure)
                << "\n";
    }
    results_.insert(results_.end(), results.begin(), results.end());
  }
}

/// Whether two results are of the same shape, pass and type: what is compared.
bool same_work(const Result& a, const Result& b) {
  return a.pass == b.pass && a.dtype == b.dtype && a.op_case.model == b.op_case.model &&
         a.op_case.layer == b.op_case.layer && a.op_case.shape.n == b.op_case.shape.n;
}

/// Speed relative to cuDNN's faster layout; 0 where cuDNN did not compute it.
double Bench::ratio(const Result& ours, int cache) const {
  double fastest = 0.0;
  for (const Result& other : results_) {
    if (other.contender.rfind("cudnn", 0) != 0 || !other.failure.empty() || !same_work(ours, other)) continue;
    const double seconds = other.timing[cache].seconds;
    if (fastest == 0.0 || seconds < fastest) fastest = seconds;
  }
  return ours.failure.empty() && ours.timing[cache].seconds > 0.0 ? fastest / ours.timing[cache].seconds : 0.0;
}

Json shape_json(const Conv2dShape& s) {
  return {{"n", s.n},
          {"h", s.h},
          {"w", s.w},
          {"c", s.c},
          {"k", s.k},
          {"r", s.r},
          {"s", s.s},
          {"stride_h", s.stride_h},
          {"stride_w", s.stride_w},
          {"pad_h", s.pad_h},
          {"pad_w", s.pad_w},
          {"groups", s.groups}};
}

Json limits_json(const Limits& limits) {
  return {{"f32_flops_per_s", limits.f32},
          {"f16_pairs_flops_per_s", limits.f16},
          {"f16_matrix_flops_per_s", limits.f16_matrix},
          {"copy_bytes_per_s", limits.copy}};
}

Json Bench::json() const {
  Json report{{"what", "convolutions and dense layers, one by one: registry rows and cuDNN in turn"},
              {"device", ours_->description()},
              {"cudnn", cudnn_.empty() ? Json() : Json(cudnn_.front().second->description())},
              {"tsugi", std::string(version()) + " (" + build_description() + ")"},
              {"smoke", options_.smoke},
              {"shapes_left_out", left_out_},
              {"limits", limits_json(limits_)},
              {"results", Json::array()}};
  for (const Result& r : results_) {
    Json line{{"op", name_of(r.pass)},
              {"model", r.op_case.model},
              {"layer", r.op_case.layer},
              {"dtype", name_of(r.dtype)},
              {"dense", r.op_case.kind == NodeKind::dense},
              {"times", r.op_case.times},
              {"shape", shape_json(r.op_case.shape)},
              {"contender", r.contender},
              {"row", r.row}};
    if (!r.failure.empty()) {
      line["failure"] = r.failure;
      report["results"].push_back(line);
      continue;
    }
    const double flops = r.op_case.shape.flops();
    for (const int cache : {0, 1}) {
      const Timing& t = r.timing[cache];
      line[cache == 0 ? kWarm : kCold] = {{"seconds", t.seconds},
                                          {"deviation_s", t.deviation},
                                          {"samples", t.samples},
                                          {"calls", t.calls},
                                          {"gflops", flops / t.seconds / 1e9},
                                          {"peak_share", flops / t.seconds / limits_.flops(r.dtype)},
                                          {"ratio_to_cudnn", ratio(r, cache)}};
    }
    report["results"].push_back(line);
  }
  return report;
}

/// Geometric means of dispatch's speed relative to cuDNN, a pass and a type.
void Bench::print_summary() const {
  std::printf("%-24s %-4s %7s %12s %12s   (dispatch over cuDNN, geometric mean over shapes)\n", "op", "type", "shapes",
              kWarm, kCold);
  for (const char* type : {"f32", "f16"}) {
    for (const KernelOp pass :
         {KernelOp::conv2d_forward, KernelOp::conv2d_backward_data, KernelOp::conv2d_backward_weight}) {
      double sums[2] = {0.0, 0.0};
      int shapes = 0;
      for (const Result& r : results_) {
        if (r.contender != "dispatch" || r.pass != pass || name_of(r.dtype) != std::string(type) || ratio(r, 0) <= 0.0)
          continue;
        ++shapes;
        for (const int cache : {0, 1}) sums[cache] += std::log(ratio(r, cache));
      }
      if (shapes > 0)
        std::printf("%-24s %-4s %7d %12.3f %12.3f\n", name_of(pass), type, shapes, std::exp(sums[0] / shapes),
                    std::exp(sums[1] / shapes));
    }
  }
  std::printf("%zu results, %d shapes left out for time, %d failures\n", results_.size(), left_out_, failures_);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse(argc, argv);
    Bench bench(options);
    bench.run();
    bench.print_summary();
    if (!options.json.empty()) {
      std::ofstream file(options.json);
      file << bench.json().dump(1) << "\n";
      if (!file.flush()) throw Error(options.json + ": cannot be written");
    }
    return bench.any_failure() ? 1 : 0;
  } catch (const Usage& error) {
    std::cerr << "bench_gpu_ops: " << printable(error.what()) << "\n" << kUsage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "bench_gpu_ops: " << printable(error.what()) << "\n";
    return 1;
  }
}
