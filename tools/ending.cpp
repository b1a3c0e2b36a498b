// The terminate handler, and handlers of the signals of a crash. They use what POSIX allows in a signal handler:
// write(2) of constant text.
#include "tools/ending.h"

#include <signal.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <execinfo.h>
#endif

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "tools/command.h"

namespace tsugi::tools {
namespace {

void say(const char* text) noexcept {
  const ssize_t ignored = ::write(STDERR_FILENO, text, std::strlen(text));
  (void)ignored;
}

[[noreturn]] void on_terminate() {
  try {
    if (const std::exception_ptr failure = std::current_exception()) std::rethrow_exception(failure);
  } catch (const std::bad_alloc&) {
    say_out_of_memory();
    ::_exit(kFailed);
  } catch (const std::exception& error) {
    say("tsugi: error: an exception where none may pass: ");
    say(error.what());
    say("\n");
  } catch (...) {
  }
  std::abort();
}

/// The second time the signal does what it does by default: the handler was for once.
[[maybe_unused]] void on_crash(int signal) {  // sanitizers report crashes themselves
  say("tsugi: error: crashed (");
  say(signal == SIGSEGV   ? "SIGSEGV"
      : signal == SIGBUS  ? "SIGBUS"
      : signal == SIGABRT ? "SIGABRT"
      : signal == SIGFPE  ? "SIGFPE"
                          : "SIGILL");
  say("): a fault of the program, or a library that could not get memory; every file that it wrote is whole, or as it "
      "was\n");
}

// Before the objects that exist from the start are made: they take memory too.
__attribute__((constructor(101))) void at_start() { std::set_terminate(on_terminate); }

}  // namespace

void say_out_of_memory() noexcept { say("tsugi: error: out of memory; try a smaller --batch or a --memory budget\n"); }

void announce_bad_endings() noexcept {
  std::set_terminate(on_terminate);
#ifdef __GLIBC__
  void* here = nullptr;  // what unwinds a thread that ends is loaded now, not when there is no memory for it
  ::backtrace(&here, 1);
#endif
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  static char stack[1 << 16];  // of its own: that of the thread may be what is full
  stack_t own{};
  own.ss_sp = stack;
  own.ss_size = sizeof stack;
  ::sigaltstack(&own, nullptr);
  struct sigaction action {};
  action.sa_handler = on_crash;
  action.sa_flags = SA_ONSTACK | static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) ::sigaction(signal, &action, nullptr);
#endif
}

}  // namespace tsugi::tools
