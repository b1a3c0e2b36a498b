# Writes OUTPUT, which defines tsugi::commit(), from the state of the checkout in SOURCE. Run at every build: only a commit
# that really changed touches the file.
cmake_minimum_required(VERSION 3.22)
set(commit unknown)
find_program(git git)
if(git)
  execute_process(COMMAND ${git} -C ${SOURCE} rev-parse --show-toplevel --short=12 HEAD
    OUTPUT_VARIABLE lines ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status)
  string(REPLACE "\n" ";" lines "${lines}")
  list(LENGTH lines count)
  if(status EQUAL 0 AND count EQUAL 2)
    list(GET lines 0 top)
    file(REAL_PATH "${SOURCE}" source)
    if(top STREQUAL source)  # not some other repository that this folder lies in
      list(GET lines 1 commit)
      execute_process(COMMAND ${git} -C ${SOURCE} --no-optional-locks status --porcelain --untracked-files=no
        OUTPUT_VARIABLE changes ERROR_QUIET)
      if(changes)
        string(APPEND commit "-dirty")
      endif()
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT "// Written by engine/core/commit.cmake.
#include \"engine/core/version.h\"

namespace tsugi {

const char* commit() { return \"@commit@\"; }

}  // namespace tsugi
")
