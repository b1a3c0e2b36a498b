// What people see: lines, a progress line on terminals, tables. Everything but results goes to stderr. The one place
// that writes to a terminal: whatever a line holds is shown as printable() writes it (engine/core/text.h), so that no
// name, path or message of a file can drive it.
#pragma once

#include <string>
#include <vector>

#include "engine/train/run.h"

namespace tsugi::tools {

class Console {
 public:
  explicit Console(bool quiet);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// A line on stderr; nothing when quiet. As all lines here it holds no newline of its own.
  void say(const std::string& line);
  /// "tsugi: error: ..." on stderr, always.
  static void error(const std::string& message);

  /// Redraws the progress line (terminals only, at most ten times a second), cut to the terminal's width.
  void progress(const std::string& whole);

  /// The observer that a command gives to its run; `files` (may be null) records what it opens.
  RunObserver observer(FileLog* files);

 private:
  void clear();

  bool quiet_, terminal_;
  std::size_t drawn_ = 0;  // width of the progress line on the screen
  Stopwatch since_draw_;
  bool drawn_once_ = false;
};

/// What printf makes of a pattern.
std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

/// A line on stdout.
void print_line(const std::string& line = "");

/// A line on stdout that arrives now. Throws Error where it cannot.
void print_line_now(const std::string& line);

/// What was printed must have arrived: a full disk shows at any write, or not before the last one. Throws Error where
/// some did not.
void flush_stdout();

/// `text` as printable() shows it, and blanks after it up to `columns` of a terminal.
std::string padded(const std::string& text, std::size_t columns);
/// Columns of a terminal that it takes.
std::size_t columns_of(const std::string& text);

/// Rows of equal length as aligned columns on stdout, the first row a heading. Numbers align right.
void print_table(const std::vector<std::vector<std::string>>& rows);

std::string percent(double fraction);                  ///< "91.2 %", "-" when not finite
std::string percent(std::pair<double, double> range);  ///< "62 to 97 %"
std::string duration(double seconds);                  ///< "0:42", "12:05", "2:03:11"
std::string bytes_text(double bytes);                  ///< "4.9 MB" (powers of 1000)

/// Has the signals that ask a process to end set stop_requested(): SIGINT and SIGTERM, of which a second one ends it at
/// once; SIGHUP and SIGXCPU, which may come many times (terminals close, a second of CPU time after another) and end
/// nothing. Those that are ignored stay ignored (nohup). From then on a reader of stdout or stderr that goes away is an
/// error of writing, not the end of the process (SIGPIPE).
void install_stop_signals();
bool stop_requested();
/// For commands that have no work to save. Throws Error when such a signal came.
void throw_if_stopped();

}  // namespace tsugi::tools
