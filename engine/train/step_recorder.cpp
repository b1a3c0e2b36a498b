// Records a mark a border and turns them into slices at the end of the step.
#include "engine/train/step_recorder.h"

namespace tsugi {

StepRecorder::StepRecorder(Backend& backend, const Model& model) : backend_(backend) {
  for (const Layer& layer : model.layers) names_.push_back(layer.name);
}

void StepRecorder::mark() {
  if (used_ == marks_.size()) marks_.push_back(backend_.make_time_mark());
  marks_[used_++]->record();
}

void StepRecorder::enter(StepPart part, int layer) {
  if (!open_.empty()) backend_.end_range();
  mark();
  open_.push_back({part, layer, 0.0, 0.0});
  const std::string name =
      layer < 0 ? name_of(part) : name_of(part) + std::string(" ") + names_[static_cast<std::size_t>(layer)];
  backend_.begin_range(name.c_str());
}

void StepRecorder::leave() {
  backend_.end_range();
  mark();
  double begin = 0.0;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    open_[i].begin = begin;
    open_[i].seconds = marks_[i + 1]->seconds_since(*marks_[i]);
    begin += open_[i].seconds;
  }
  seconds_ = begin;
  slices_.swap(open_);
  open_.clear();
  used_ = 0;
}

}  // namespace tsugi
