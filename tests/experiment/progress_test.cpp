// Time left: in proportion to work, not to the number of jobs.
#include "tools/experiment/progress.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/engine/support.h"

namespace tsugi::tools {
namespace {

Job job_of(double work, double fraction) { return {JobKind::handover, 10, 1, "default", fraction, work}; }

TEST_CASE("the time left follows the work that is left, and the share of the current job that is done") {
  const std::vector<Job> jobs = {job_of(100, 0.1), job_of(300, 0.3), job_of(600, 0.6)};
  GridProgress progress(jobs);
  CHECK(std::isnan(progress.seconds_left()));
  progress.finish(jobs[0], 10);
  CHECK(progress.done() == 1);
  CHECK(progress.seconds_left() == doctest::Approx(90));
  progress.start(jobs[1]);
  CHECK(progress.seconds_left(0.5) == doctest::Approx(75));
  progress.finish(jobs[1], 50);  // slower than the first: 60 seconds for 400
  CHECK(progress.seconds_left() == doctest::Approx(90));
  progress.finish(jobs[2], 1);
  CHECK(progress.seconds_left() == 0.0);
}

TEST_CASE("lines say where the grid stands") {
  const std::vector<Job> jobs = {job_of(100, 0.1), job_of(100, 0.3)};
  GridProgress progress(jobs);
  progress.start(jobs[0]);
  RunStatus status;
  status.epoch = 1;
  status.epochs = 4;
  status.step = 5;
  status.steps = 10;
  status.seconds_left = 70;
  test::expect_parts(progress.line(status), {"job 1/2", "10 people, seed 1, default, 10 %", "epoch 1/4",
                                             "2:30 left"});  // 80 s a job, 10 of them gone
  progress.finish(jobs[0], 60);
  Cell cell;
  cell.job = jobs[0];
  cell.general = 0.881;
  cell.personal = std::nan("");
  cell.timing.elapsed_s = 60;
  test::expect_parts(progress.finished_line(cell), {"[1/2] 10 people, seed 1, default, 10 %", "general 88.1 %",
                                                    "personal -", "in 1:00", "1:00 left"});
  progress.finish(jobs[1], 60);
  CHECK(progress.finished_line(cell).find("left") == std::string::npos);
}

}  // namespace
}  // namespace tsugi::tools
