// The entry point of every test executable: doctest's own, except that a filter which selects no test case fails.
// Otherwise a renamed test case would go on passing in CTest without ever running. No test reads a user's tuning.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>

namespace {

// Counts the test cases that ran.
struct CountingListener : doctest::IReporter {
  explicit CountingListener(const doctest::ContextOptions&) {}
  static unsigned& count() {
    static unsigned cases = 0;
    return cases;
  }
  void test_run_end(const doctest::TestRunStats& stats) override { count() = stats.numTestCasesPassingFilters; }
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

REGISTER_LISTENER("counting", 1, CountingListener);

}  // namespace

int main(int argc, char** argv) {
  setenv("TSUGI_TUNING", "off", 1);  // what somebody once tuned on this machine must not change results
  doctest::Context context(argc, argv);
  const int status = context.run();
  if (context.shouldExit()) return status;
  if (CountingListener::count() == 0) {
    std::cerr << "no test case matches the filter\n";
    return 1;
  }
  return status;
}
