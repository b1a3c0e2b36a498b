// The tsugi binary: picks the command, runs it, turns errors into exit statuses. One file beside this one holds each
// command.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>

#include "engine/core/posix_file.h"
#include "engine/core/text.h"
#include "engine/core/version.h"
#include "kernels/api/error.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/ending.h"
#include "tools/help.h"

namespace tsugi::tools {

namespace {

/// Whatever was printed must have arrived: a full disk shows at any write, or not before the last one.
void check_stdout() {
  const bool failed_before = std::ferror(stdout) != 0;
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  if (failed_before || !flushed)
    throw Error("standard output cannot be written" + (errno != 0 ? ": " + system_reason(errno) : std::string()) +
                "; what it got is cut off");
}

/// The exit status of a command line that ends before any command runs.
int arrived(int status) {
  try {
    check_stdout();
    return status;
  } catch (const Error& error) {
    Console::error(error.what());
    return kFailed;
  }
}

/// A file opened by this process must not become standard output because nobody gave it one. Writing to a descriptor
/// that is open for reading fails, as it should.
void fill_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
      (void)::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/// What stderr gets when the command line cannot be understood.
std::string usage_message(const CLI::App* app, const CLI::Error& error) {
  const std::string start = "tsugi: error: ";
  const std::vector<CLI::App*> chosen = app->get_subcommands();
  if (!chosen.empty())
    return start + printable(error.what()) + "\nRun tsugi " + chosen.front()->get_name() +
           " --help for more information.\n";
  const std::vector<std::string> rest = app->remaining();
  if (rest.empty()) return start + "a command is expected\n\n" + app->help();
  std::string known;
  for (const CLI::App* command : app->get_subcommands({})) known += (known.empty() ? "" : ", ") + command->get_name();
  return start + "unknown command or option \"" + printable(rest.front()) + "\", known commands are " + known +
         "\nRun tsugi --help for more information.\n";
}

/// Runs the command; what it throws becomes a line on stderr and an exit status.
Ending carry_out(const Run& run, Audit& audit) {
  Ending ending;
  ending.status = kFailed;
  try {
    audit.start();
    ending.status = run();
    check_stdout();
  } catch (const std::bad_alloc&) {
    say_out_of_memory();
    ending.error = "out of memory";  // short enough to take none
  } catch (const std::exception& error) {
    ending.error = error.what();
    Console::error(ending.error);
  }
  if (!ending.error.empty()) ending.status = kFailed;  // also where all went well but for standard output
  ending.stopped = stop_requested();
  return ending;
}

/// All of the program, but for what must be caught around it.
int whole(int argc, char** argv) {
  fill_standard_descriptors();
  CLI::App app("tsugi trains image classifiers on a server and hands the training over to a small device.", "tsugi");
  app.set_version_flag("--version", std::string("tsugi ") + tsugi::version() + " (" + tsugi::build_description() + ")");
  app.formatter(std::make_shared<HelpFormatter>());  // before the commands, which inherit it
  app.require_subcommand(1);
  app.failure_message(usage_message);
  app.footer("Every command has --help with an example.\nExit status: 0 done, 1 failed, 2 wrong usage.");
  Run run;
  Audit audit(argc, argv);
  add_synth(app, run);
  add_pretrain(app, run, audit);
  add_bundle(app, run, audit);
  add_resume(app, run, audit);
  add_forget(app, run, audit);
  add_eval(app, run, audit);
  add_predict(app, run, audit);
  add_compact(app, run, audit);
  add_inspect(app, run, audit);
  add_experiment(app, run, audit);
  add_bench(app, run);
  add_plan(app, run, audit);
  add_tune(app, run);
  add_doctor(app, run);
  try {
    app.parse(argc, argv);
    check_outputs(*app.get_subcommands().front());
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error) == 0 ? kOk : kUsage;  // --help and --version end here, too
    return arrived(status);
  }

  std::signal(SIGXFSZ, SIG_IGN);  // a file past the limit of `ulimit -f` is then an error like a full disk
  const Ending ending = carry_out(run, audit);
  audit.finish(ending);
  return ending.status;
}

}  // namespace
}  // namespace tsugi::tools

int main(int argc, char** argv) {
  tsugi::tools::announce_bad_endings();
  try {
    return tsugi::tools::whole(argc, argv);
  } catch (const std::bad_alloc&) {
    tsugi::tools::say_out_of_memory();
  } catch (const std::exception& error) {
    tsugi::tools::Console::error(error.what());
  }
  return tsugi::tools::kFailed;
}
