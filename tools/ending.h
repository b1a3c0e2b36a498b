// How the process ends when it cannot go on: always with a line that says why. Nothing here takes memory.
#pragma once

namespace tsugi::tools {

/// "tsugi: error: out of memory ..." on stderr.
void say_out_of_memory() noexcept;

/// From now on a process that would end without a word says one: memory that runs out where no exception may pass (a
/// destructor, a thread of a library) ends it with that line and exit status 1, and a crash names its signal before it
/// ends as ever.
void announce_bad_endings() noexcept;

}  // namespace tsugi::tools
