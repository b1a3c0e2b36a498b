#include "engine/core/program_run.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace tsugi {
namespace {

/// The two ends of a pipe, closed with their owner. Neither survives into other programs.
struct Pipe {
  int read = -1, write = -1;

  explicit Pipe(const std::string& place) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw Error(place + ": no pipe: " + std::strerror(errno));
    read = ends[0];
    write = ends[1];
  }
  ~Pipe() {
    close_end(read);
    close_end(write);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  static void close_end(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }
};

pid_t start(const std::vector<std::string>& arguments, const Pipe& in, const Pipe& out, const Pipe& err) {
  std::vector<char*> words;
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);
  posix_spawnattr_t attributes;  // the child dies of a broken pipe, even where this process ignores that signal
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int status = posix_spawnp(&child, words[0], &actions, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  const std::string failure = arguments[0] + ": cannot be started: " + std::strerror(status);
  if (status == ENOENT) throw ProgramMissing(failure);
  if (status != 0) throw Error(failure);
  return child;
}

/// Reads what is there; false at the end.
bool drain(int descriptor, std::string& text) {
  char block[65536];
  const ssize_t got = read(descriptor, block, sizeof block);
  if (got > 0) text.append(block, static_cast<std::size_t>(got));
  return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

/// Feeds and reads until the program has closed both outputs: neither side can block the other.
void exchange(Pipe& in, Pipe& out, Pipe& err, const std::string& input, ProgramOutput& result) {
  std::size_t sent = 0;
  fcntl(in.write, F_SETFL, O_NONBLOCK);
  while (out.read >= 0 || err.read >= 0) {
    if (sent == input.size()) Pipe::close_end(in.write);
    pollfd watched[3] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}, {in.write, POLLOUT, 0}};
    if (poll(watched, 3, -1) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    if (watched[0].revents != 0 && !drain(out.read, result.out)) Pipe::close_end(out.read);
    if (watched[1].revents != 0 && !drain(err.read, result.err)) Pipe::close_end(err.read);
    if (watched[2].revents == 0) continue;
    const ssize_t put = write(in.write, input.data() + sent, input.size() - sent);
    if (put > 0) {
      sent += static_cast<std::size_t>(put);
    } else if (put < 0 && errno != EINTR && errno != EAGAIN) {  // it has stopped listening
      sent = input.size();
    }
  }
}

/// A write to a program that is gone must be an error here, not the end of this process.
class IgnoreBrokenPipe {
 public:
  IgnoreBrokenPipe() : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~IgnoreBrokenPipe() { std::signal(SIGPIPE, before_); }
  IgnoreBrokenPipe(const IgnoreBrokenPipe&) = delete;
  IgnoreBrokenPipe& operator=(const IgnoreBrokenPipe&) = delete;

 private:
  void (*before_)(int);
};

}  // namespace

ProgramOutput run_program(const std::vector<std::string>& arguments, const std::string& input) {
  if (arguments.empty()) throw Error("run_program: 0 arguments, expected a program's name");
  const IgnoreBrokenPipe ignore;
  Pipe in(arguments[0]), out(arguments[0]), err(arguments[0]);
  const pid_t child = start(arguments, in, out, err);
  Pipe::close_end(in.read);
  Pipe::close_end(out.write);
  Pipe::close_end(err.write);
  ProgramOutput result;
  exchange(in, out, err, input, result);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace tsugi
