// Progress, tables and signals.
#include "tools/console.h"

#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdarg>
#include <cstdio>

#include "engine/core/posix_file.h"
#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi::tools {
namespace {

volatile std::sig_atomic_t stop_signal = 0;

extern "C" void on_stop_signal(int signal) {
  stop_signal = 1;
  if (signal == SIGINT || signal == SIGTERM) std::signal(signal, SIG_DFL);  // the next one ends the process
}

/// The width of letters, as libc knows it: its tables follow Unicode with every release, ours would be one more copy.
/// They need a UTF-8 locale, whatever the user's is; only threads that are asked get it.
class LetterWidth {
 public:
  LetterWidth() : before_(locale() != nullptr ? uselocale(locale()) : nullptr) {}
  ~LetterWidth() {
    if (before_ != nullptr) uselocale(before_);
  }
  LetterWidth(const LetterWidth&) = delete;
  LetterWidth& operator=(const LetterWidth&) = delete;

  /// Columns of the letter at `at`, `length` bytes of it: 2 of CJK, 0 of marks that combine with the letter before; 1
  /// where nobody knows.
  std::size_t of(const std::string& text, std::size_t at, std::size_t length) const {
    wchar_t letter = 0;
    std::mbstate_t state{};
    if (before_ == nullptr || std::mbrtowc(&letter, text.data() + at, length, &state) != length) return 1;
    const int width = wcwidth(letter);
    return width < 0 ? 1 : static_cast<std::size_t>(width);
  }

 private:
  /// Null where there is none.
  static locale_t locale() {
    static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return utf8;
  }

  locale_t before_;
};

/// At most `width` columns of it, and the columns of that in `taken`; letters and their marks whole.
std::string cut(const std::string& text, std::size_t width, std::size_t* taken) {
  const LetterWidth widths;
  std::size_t end = 0, columns = 0;
  for (std::size_t length = 0; end < text.size(); end += length) {
    length = std::max<std::size_t>(utf8_length(text, end), 1);
    const std::size_t more = widths.of(text, end, length);
    if (columns + more > width) break;
    columns += more;
  }
  *taken = columns;
  return text.substr(0, end);
}

std::size_t width_of(const std::string& text) {
  std::size_t columns = 0;
  (void)cut(text, static_cast<std::size_t>(-1), &columns);
  return columns;
}

void write_line(std::FILE* stream, const std::string& line) { std::fprintf(stream, "%s\n", printable(line).c_str()); }

/// Of the terminal behind stderr; 80 where it does not say.
std::size_t columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

bool looks_like_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789.,+-% :eE") == std::string::npos;
}

}  // namespace

Console::Console(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

Console::~Console() { clear(); }

void Console::clear() {
  if (drawn_ > 0) std::fprintf(stderr, "\r%*s\r", static_cast<int>(drawn_), "");
  drawn_ = 0;
}

void Console::say(const std::string& line) {
  if (quiet_) return;
  clear();
  write_line(stderr, line);
  drawn_once_ = false;  // the next progress line comes at once
}

void Console::error(const std::string& message) { write_line(stderr, "tsugi: error: " + message); }

void Console::progress(const std::string& whole) {
  constexpr double kRedraw = 0.1;
  if (quiet_ || !terminal_ || (drawn_once_ && since_draw_.seconds() < kRedraw)) return;
  std::size_t width = 0;
  const std::string line = cut(printable(whole), columns() - 1, &width);  // a line that wraps could not be redrawn
  std::fprintf(stderr, "\r%s%*s", line.c_str(), static_cast<int>(drawn_ > width ? drawn_ - width : 0), "");
  std::fflush(stderr);
  drawn_ = std::max(width, std::size_t{1});
  since_draw_ = Stopwatch();
  drawn_once_ = true;
}

RunObserver Console::observer(FileLog* files) {
  RunObserver observer;
  observer.files = files;
  observer.say = [this](const std::string& line) { say(line); };
  observer.decoding = [this](std::size_t done, std::size_t total) {
    progress(format("decoding photos %zu/%zu", done, total));
  };
  observer.step = [this](const RunStatus& s) {
    progress(format("epoch %u/%u  step %u/%u  loss %.3f  accuracy %s  %.0f images/s  %s left", s.epoch, s.epochs,
                    s.step, s.steps, s.loss, percent(s.accuracy).c_str(), s.images_per_s,
                    duration(s.seconds_left).c_str()));
  };
  observer.evaluated = [this](const MetricsRow& row, const Evaluation&) {
    std::string line = format("epoch %u  loss %.4f", row.epoch, row.loss);
    // Of weights that no step was taken with there is no loss.
    if (!std::isfinite(row.loss)) line = row.concluded ? "the network it ends with" : "before the first step";
    line += "  test accuracy " + percent(row.accuracy);
    if (row.handover)
      line += format(" (general %s, personal %s)", percent(row.accuracy_general).c_str(),
                     percent(row.accuracy_personal).c_str());
    say(line + "  " + duration(row.wall_s));
  };
  observer.should_stop = stop_requested;
  return observer;
}

std::string format(const char* pattern, ...) {
  va_list arguments, again;
  va_start(arguments, pattern);
  va_copy(again, arguments);
  std::string text(static_cast<std::size_t>(std::max(std::vsnprintf(nullptr, 0, pattern, arguments), 0)) + 1, '\0');
  std::vsnprintf(&text[0], text.size(), pattern, again);
  va_end(again);
  va_end(arguments);
  text.pop_back();
  return text;
}

void print_line(const std::string& line) { write_line(stdout, line); }

void flush_stdout() {
  const bool failed_before = std::ferror(stdout) != 0;
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  if (failed_before || !flushed)
    throw Error("standard output cannot be written" + (errno != 0 ? ": " + system_reason(errno) : std::string()) +
                "; what it got is cut off");
}

void print_line_now(const std::string& line) {
  print_line(line);
  flush_stdout();
}

std::size_t columns_of(const std::string& text) { return width_of(printable(text)); }

std::string padded(const std::string& text, std::size_t columns) {
  const std::string shown = printable(text);
  const std::size_t width = width_of(shown);
  return width < columns ? shown + std::string(columns - width, ' ') : shown;
}

void print_table(const std::vector<std::vector<std::string>>& given) {
  if (given.empty()) return;
  std::vector<std::vector<std::string>> rows = given;
  for (auto& row : rows)
    for (std::string& text : row) text = printable(text);  // before it is measured
  const std::size_t columns = rows[0].size();
  std::vector<std::size_t> width(columns, 0);
  std::vector<bool> right(columns, rows.size() > 1);
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t c = 0; c < columns; ++c) {
      width[c] = std::max(width[c], width_of(rows[r][c]));
      if (r > 0 && !looks_like_number(rows[r][c])) right[c] = false;
    }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < columns; ++c) {
      const std::string pad(width[c] - width_of(row[c]), ' ');
      line += (c > 0 ? "  " : "") + (right[c] ? pad + row[c] : row[c] + pad);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    print_line(line);
  }
}

std::string percent(std::pair<double, double> range) {
  return format("%.0f to %.0f %%", 100.0 * range.first, 100.0 * range.second);
}

std::string percent(double fraction) { return std::isfinite(fraction) ? format("%.1f %%", 100.0 * fraction) : "-"; }

std::string duration(double seconds) {
  const auto whole = static_cast<long>(std::isfinite(seconds) ? std::lround(std::max(seconds, 0.0)) : 0);
  if (whole >= 3600) return format("%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  return format("%ld:%02ld", whole / 60, whole % 60);
}

std::string bytes_text(double bytes) {
  if (bytes >= 1e9) return format("%.2f GB", bytes / 1e9);
  if (bytes >= 1e6) return format("%.2f MB", bytes / 1e6);
  if (bytes >= 1e3) return format("%.1f kB", bytes / 1e3);
  return format("%.0f B", bytes);
}

void install_stop_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGXCPU})
    if (std::signal(signal, on_stop_signal) == SIG_IGN) std::signal(signal, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
}

bool stop_requested() { return stop_signal != 0; }

void throw_if_stopped() {
  if (stop_requested()) throw Error("stopped by a signal before the end; there is no result");
}

}  // namespace tsugi::tools
