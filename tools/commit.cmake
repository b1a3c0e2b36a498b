# Writes OUT, which names the commit of SOURCE, where it differs from what is there: nothing is compiled again for nothing.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=* OUTPUT_VARIABLE commit
  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#include \"tools/machine.h\"

namespace tsugi::tools {

const char* commit() { return \"@commit@\"; }

}  // namespace tsugi::tools
" @ONLY)
