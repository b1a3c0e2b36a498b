// The tsugi binary: picks the command, runs it, turns errors into exit statuses. One file beside this one holds each
// command.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <memory>
#include <new>

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

/// The exit status of a command line that ends before any command runs.
int arrived(int status) {
  try {
    flush_stdout();
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

/// All that may stand on a command line of `command`: its options, and the commands below it.
std::vector<std::string> words_of(const CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::App* inner : command.get_subcommands({})) words.push_back(inner->get_name());
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
    for (const std::string& name : option->get_snames()) words.push_back("-" + name);
  }
  return words;
}

/// Of those that a command line has too many: the first that looks like an option.
std::string unknown_word(const std::vector<std::string>& rest) {
  for (const std::string& word : rest)
    if (word[0] == '-') return word.substr(0, word.find('='));
  return rest.front();
}

/// What stderr gets when the command line cannot be understood.
std::string usage_message(const CLI::App* app, const CLI::Error& error) {
  const std::string start = "tsugi: error: ";
  const CLI::App* command = app;
  std::string name;  // "experiment life "
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += command->get_name() + " ";
  }
  const std::vector<std::string> rest = command->remaining();
  std::string text = printable(error.what());
  if (!rest.empty()) {
    const std::string word = unknown_word(rest);
    text = (command == app   ? "unknown command or option "
            : word[0] == '-' ? "unknown option "
                             : "unexpected argument ") +
           shown(word);
    if (command == app) {
      std::vector<std::string> known;
      for (const CLI::App* inner : app->get_subcommands({})) known.push_back(inner->get_name());
      text += ", known commands are " + joined(known);
    }
    text += did_you_mean(word, words_of(*command));
  } else if (command == app) {
    return start + "a command is expected\n\n" + app->help();
  }
  return start + text + "\nRun tsugi " + name + "--help for more information.\n";
}

/// Runs the command; what it throws becomes a line on stderr and an exit status.
Ending carry_out(const Run& run, Audit& audit) {
  Ending ending;
  ending.status = kFailed;
  try {
    audit.start();
    ending.status = run();
    flush_stdout();
  } catch (const std::bad_alloc&) {
    say_out_of_memory();
    ending.error = "out of memory";  // short enough to take none
  } catch (const ToldError& error) {
    ending.error = error.what();
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
