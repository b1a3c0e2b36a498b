# Read by CTest for each test program: gives its tests their environment, and the label `slow` to those in the test suite
# of that name. doctest_discover_tests can do neither for every name: it takes lists apart, and its filters at commas.
#   program (behind an emulator's command line, in a cross build), prefix, tests, environment    set by the including file
foreach(test IN LISTS tests)
  set_tests_properties("${test}" PROPERTIES ENVIRONMENT "${environment}")
endforeach()
list(GET program -1 file)
if(EXISTS ${file})
  execute_process(COMMAND ${program} --test-suite=slow --list-test-cases OUTPUT_VARIABLE lines)
  string(REPLACE "\n" ";" lines "${lines}")
  foreach(line IN LISTS lines)
    list(FIND tests "${prefix}${line}" index)
    if(index GREATER_EQUAL 0)
      set_tests_properties("${prefix}${line}" PROPERTIES LABELS slow)
    endif()
  endforeach()
endif()
