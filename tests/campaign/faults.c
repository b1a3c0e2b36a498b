// An LD_PRELOAD library that makes one call of a program go wrong: the k-th that touches a file below a folder, or the
// standard output where that is a file there. Other programs that it starts run without it.
//   TSUGI_FAULT_FOLDER  the folder, absolute; calls on files elsewhere pass and are not counted
//   TSUGI_FAULT_LOG     gets "<number> <call> <path>" a call watched; the one that goes wrong ends in " !"
//   TSUGI_FAULT_CALL    which one goes wrong, from 1; 0: none
//   TSUGI_FAULT_HOW     ENOSPC, EIO or EINTR: it fails so, and does nothing (a close does close, as on Linux); short:
//   half
//                       of the bytes pass; before, after: the process is killed there
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum how { PASS, FAIL, SHORT, BEFORE, AFTER };

static const char *folder_, *how_;
static int log_ = -1;
static long target_;
static int made_;  // calls so far
static int ready_;

static int error_of(const char* name) {
  return !strcmp(name, "ENOSPC") ? ENOSPC : !strcmp(name, "EIO") ? EIO : !strcmp(name, "EINTR") ? EINTR : 0;
}

static void end_here(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

// Counts the call and says what becomes of it. errno is set for FAIL.
static enum how decide(const char* call, const char* path) {
  const int number = __atomic_add_fetch(&made_, 1, __ATOMIC_SEQ_CST);
  const int mine = number == target_;
  char line[PATH_MAX + 64];
  const int size = snprintf(line, sizeof line, "%d %s %s%s\n", number, call, path, mine ? " !" : "");
  if (log_ >= 0 && syscall(SYS_write, log_, line, (size_t)size) != size) end_here();
  if (!mine) return PASS;
  if (!strcmp(how_, "short")) return SHORT;
  if (!strcmp(how_, "before")) end_here();
  if (!strcmp(how_, "after")) return AFTER;
  errno = error_of(how_);
  return FAIL;
}

static int is_below(const char* path) {
  const size_t length = strlen(folder_);
  return !strncmp(path, folder_, length) && (path[length] == '/' || path[length] == 0);
}

static enum how on_path(const char* call, const char* path) {
  if (!ready_ || path == NULL) return PASS;
  char whole[2 * PATH_MAX], here[PATH_MAX];
  if (path[0] == '/' || getcwd(here, sizeof here) == NULL)
    snprintf(whole, sizeof whole, "%s", path);
  else
    snprintf(whole, sizeof whole, "%s/%s", here, path);
  return is_below(whole) ? decide(call, whole) : PASS;
}

static enum how on_file(const char* call, int file) {
  if (!ready_ || file < 0) return PASS;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size <= 0) return PASS;
  path[size] = 0;
  return is_below(path) ? decide(call, path) : PASS;
}

// A call of this name and these arguments: fails with `failed`, or is made as ever.
#define WRAP(type, name, failed, verdict, parameters, arguments)          \
  type name parameters {                                                  \
    static type(*real) parameters;                                        \
    if (real == NULL) real = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
    const enum how how = verdict;                                         \
    if (how == FAIL) return failed;                                       \
    type result = real arguments;                                         \
    if (how == AFTER) end_here();                                         \
    return result;                                                        \
  }
// The same for calls that take a mode where they create.
#define WRAP_OPEN(name, verdict, parameters, arguments)                      \
  int name parameters {                                                      \
    va_list more;                                                            \
    va_start(more, flags);                                                   \
    const int makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE; \
    const int mode = makes ? va_arg(more, int) : 0;                          \
    va_end(more);                                                            \
    const enum how how = verdict;                                            \
    if (how == FAIL) return -1;                                              \
    const int result = openat arguments;                                     \
    if (how == AFTER) end_here();                                            \
    return result;                                                           \
  }
// The same for calls that move bytes: SHORT moves half of them.
#define WRAP_BYTES(name, parameters, arguments)                              \
  ssize_t name parameters {                                                  \
    static ssize_t(*real) parameters;                                        \
    if (real == NULL) real = (ssize_t(*) parameters)dlsym(RTLD_NEXT, #name); \
    const enum how how = on_file(#name, file);                               \
    if (how == FAIL) return -1;                                              \
    if (how == SHORT) size = (size + 1) / 2;                                 \
    const ssize_t result = real arguments;                                   \
    if (how == AFTER) end_here();                                            \
    return result;                                                           \
  }

static int real_openat(int folder, const char* path, int flags, int mode) {
  return (int)syscall(SYS_openat, folder, path, flags, mode);
}
#define openat real_openat
WRAP_OPEN(open, on_path("open", path), (const char* path, int flags, ...), (AT_FDCWD, path, flags, mode))
WRAP_OPEN(open64, on_path("open", path), (const char* path, int flags, ...), (AT_FDCWD, path, flags, mode))
#undef openat
WRAP(int, mkstemp, -1, on_path("open", path), (char* path), (path))
WRAP(int, mkstemp64, -1, on_path("open", path), (char* path), (path))
WRAP(FILE*, fopen, NULL, on_path("open", path), (const char* path, const char* mode), (path, mode))
WRAP(FILE*, fopen64, NULL, on_path("open", path), (const char* path, const char* mode), (path, mode))
WRAP(DIR*, opendir, NULL, on_path("opendir", path), (const char* path), (path))
WRAP(int, rename, -1, on_path("rename", to), (const char* from, const char* to), (from, to))
WRAP(int, link, -1, on_path("link", to), (const char* from, const char* to), (from, to))
WRAP(int, symlink, -1, on_path("symlink", to), (const char* from, const char* to), (from, to))
WRAP(int, unlink, -1, on_path("unlink", path), (const char* path), (path))
WRAP(int, remove, -1, on_path("unlink", path), (const char* path), (path))
WRAP(int, mkdir, -1, on_path("mkdir", path), (const char* path, mode_t mode), (path, mode))
WRAP(int, rmdir, -1, on_path("rmdir", path), (const char* path), (path))
WRAP(int, chmod, -1, on_path("chmod", path), (const char* path, mode_t mode), (path, mode))
WRAP(int, fchmod, -1, on_file("chmod", file), (int file, mode_t mode), (file, mode))
WRAP(int, fsync, -1, on_file("fsync", file), (int file), (file))
WRAP(int, fdatasync, -1, on_file("fsync", file), (int file), (file))
WRAP(int, flock, -1, on_file("flock", file), (int file, int operation), (file, operation))
WRAP(int, ftruncate, -1, on_file("ftruncate", file), (int file, off_t size), (file, size))
WRAP(int, ftruncate64, -1, on_file("ftruncate", file), (int file, off64_t size), (file, size))
WRAP(int, posix_fallocate, errno, on_file("ftruncate", file), (int file, off_t from, off_t size), (file, from, size))
WRAP(int, posix_fallocate64, errno, on_file("ftruncate", file), (int file, off64_t from, off64_t size),
     (file, from, size))
WRAP(void*, mmap, MAP_FAILED, on_file("mmap", file),
     (void* at, size_t size, int protection, int flags, int file, off_t from),
     (at, size, protection, flags, file, from))
WRAP(void*, mmap64, MAP_FAILED, on_file("mmap", file),
     (void* at, size_t size, int protection, int flags, int file, off64_t from),
     (at, size, protection, flags, file, from))
WRAP_BYTES(read, (int file, void* to, size_t size), (file, to, size))
WRAP_BYTES(pread, (int file, void* to, size_t size, off_t from), (file, to, size, from))
WRAP_BYTES(pread64, (int file, void* to, size_t size, off64_t from), (file, to, size, from))
WRAP_BYTES(write, (int file, const void* from, size_t size), (file, from, size))
WRAP_BYTES(pwrite, (int file, const void* from, size_t size, off_t to), (file, from, size, to))
WRAP_BYTES(pwrite64, (int file, const void* from, size_t size, off64_t to), (file, from, size, to))

ssize_t writev(int file, const struct iovec* parts, int count) {
  const enum how how = on_file("write", file);
  if (how == FAIL) return -1;
  if (how == SHORT && count > 0)
    return (ssize_t)syscall(SYS_write, file, parts[0].iov_base, (parts[0].iov_len + 1) / 2);
  const ssize_t result = (ssize_t)syscall(SYS_writev, file, parts, count);
  if (how == AFTER) end_here();
  return result;
}

// The file is closed even where its close fails, as on Linux.
int close(int file) {
  const enum how how = on_file("close", file);
  const int code = errno;
  const int result = (int)syscall(SYS_close, file);
  if (how == AFTER) end_here();
  if (how != FAIL) return result;
  errno = code;
  return -1;
}

int fclose(FILE* stream) {
  static int (*real)(FILE*);
  if (real == NULL) real = (int (*)(FILE*))dlsym(RTLD_NEXT, "fclose");
  const enum how how = on_file("close", fileno(stream));
  const int code = errno;
  const int result = real(stream);
  if (how == AFTER) end_here();
  if (how != FAIL) return result;
  errno = code;
  return EOF;
}

// Behind the standard output: libc's own stream writes past any wrapper.
static ssize_t write_out(void* cookie, const char* from, size_t size) {
  (void)cookie;
  size_t done = 0;
  while (done < size) {
    const ssize_t written = write(STDOUT_FILENO, from + done, size - done);
    if (written < 0) return (ssize_t)done;
    done += (size_t)written;
  }
  return (ssize_t)done;
}

__attribute__((constructor)) static void start(void) {
  folder_ = getenv("TSUGI_FAULT_FOLDER");
  how_ = getenv("TSUGI_FAULT_HOW");
  const char *log = getenv("TSUGI_FAULT_LOG"), *call = getenv("TSUGI_FAULT_CALL");
  if (folder_ == NULL || how_ == NULL || log == NULL || call == NULL) return;
  folder_ = strdup(folder_);
  how_ = strdup(how_);
  target_ = atol(call);
  log_ = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  unsetenv("LD_PRELOAD");
  struct stat out;
  if (fstat(STDOUT_FILENO, &out) == 0 && S_ISREG(out.st_mode))
    stdout = fopencookie(NULL, "w", (cookie_io_functions_t){NULL, write_out, NULL, NULL});
  ready_ = 1;
}
