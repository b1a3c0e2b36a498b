#include "engine/train/profile.h"

#include <algorithm>

#include "engine/core/atomic_file.h"
#include "engine/core/json_value.h"

namespace tsugi {

Profile::Profile(Backend& backend, const Model& model, std::size_t max_events)
    : recorder_(backend, model), device_(backend.name() + " (" + backend.description() + ")"), max_events_(max_events) {
  for (const Layer& layer : model.layers) layers_.push_back(layer.name);
}

void Profile::sum_up(const std::string& part, const std::string& layer, double seconds) {
  ProfileLine& line = sums_[{part, layer}];
  line.part = part;
  line.layer = layer;
  line.seconds += seconds;
  ++line.times;
}

void Profile::add_span(const char* name, double begin, double seconds) {
  sum_up(name, "", seconds);
  if (events_.size() < max_events_) events_.push_back({name, name, begin, seconds});
}

/// The step's parts stand on the device's clock; they are placed behind the host's begin of the step.
void Profile::end_step(std::uint32_t step) {
  const std::vector<StepSlice>& slices = recorder_.slices();
  const bool fits = events_.size() + slices.size() < max_events_;
  left_out_ += fits ? 0 : 1;
  if (fits) events_.push_back({"step " + std::to_string(step), "step", step_begin_, recorder_.seconds()});
  for (const StepSlice& slice : slices) {
    const std::string part = name_of(slice.part),
                      layer = slice.layer < 0 ? "" : layers_[static_cast<std::size_t>(slice.layer)];
    sum_up(part, layer, slice.seconds);
    if (fits) events_.push_back({layer.empty() ? part : layer, part, step_begin_ + slice.begin, slice.seconds});
  }
}

std::vector<ProfileLine> Profile::lines() const {
  std::vector<ProfileLine> lines;
  for (const auto& [key, line] : sums_) lines.push_back(line);
  std::stable_sort(lines.begin(), lines.end(),
                   [](const ProfileLine& a, const ProfileLine& b) { return a.seconds > b.seconds; });
  return lines;
}

void Profile::write(const std::string& path, const FilePurpose& purpose) const {
  constexpr double kMicro = 1e6;
  constexpr int kProcess = 1, kThread = 1;
  AtomicFile file(path, purpose);
  const auto put = [&](const std::string& part) { file.write(part.data(), part.size()); };
  // An event at a time: a tree of all of them would take ten times the memory of the file.
  put("{\"displayTimeUnit\":\"ms\",\"otherData\":" + json_text({{"device", device_}, {"steps_left_out", left_out_}}) +
      ",\"traceEvents\":[\n");
  put(json_text({{"name", "process_name"},
                 {"ph", "M"},
                 {"pid", kProcess},
                 {"tid", kThread},
                 {"args", {{"name", "tsugi on " + device_}}}}));
  for (const Event& e : events_)
    put(",\n" + json_text({{"name", e.name},
                           {"cat", e.category},
                           {"ph", "X"},
                           {"ts", e.begin * kMicro},
                           {"dur", e.seconds * kMicro},
                           {"pid", kProcess},
                           {"tid", kThread}}));
  put("\n]}\n");
  file.commit();
}

}  // namespace tsugi
