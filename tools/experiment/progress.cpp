// Time left in proportion to work.
#include "tools/experiment/progress.h"

#include <cmath>

#include "tools/console.h"

namespace tsugi::tools {

GridProgress::GridProgress(const std::vector<Job>& jobs) : total_(jobs.size()) {
  for (const Job& job : jobs) work_left_ += job.work;
}

void GridProgress::finish(const Job& job, double seconds) {
  ++done_;
  work_left_ -= job.work;
  work_done_ += job.work;
  seconds_ += seconds;
}

double GridProgress::seconds_left(double share_of_current) const {
  if (work_done_ <= 0.0) return std::nan("");
  return std::max(0.0, work_left_ - share_of_current * current_.work) * seconds_ / work_done_;
}

std::string GridProgress::line(const RunStatus& s) const {
  const double share = (s.epoch - 1 + static_cast<double>(s.step) / s.steps) / s.epochs;
  double left = seconds_left(share);
  if (!std::isfinite(left)) left = s.seconds_left / (1.0 - share + 1e-9) * (work_left_ / current_.work - share);
  return "job " + std::to_string(done_ + 1) + "/" + std::to_string(total_) + ": " + current_.text() + "  epoch " +
         std::to_string(s.epoch) + "/" + std::to_string(s.epochs) + "  " + duration(left) + " left";
}

std::string GridProgress::finished_line(const Cell& cell) const {
  std::string text = "[" + std::to_string(done_) + "/" + std::to_string(total_) + "] " + cell.job.text() + ": ";
  text += cell.job.kind == JobKind::pretrain
              ? percent(cell.accuracy)
              : "general " + percent(cell.general) + ", personal " + percent(cell.personal);
  text += " in " + duration(cell.timing.elapsed_s);
  return done_ == total_ ? text : text + "; " + duration(seconds_left()) + " left";
}

}  // namespace tsugi::tools
