# Google Benchmark: the benchmarks of ops and steps.
find_package(benchmark ${TSUGI_OLDEST_BENCHMARK} QUIET)
if(benchmark_FOUND)
  add_library(tsugi_dep_benchmark ALIAS benchmark::benchmark)
else()
  tsugi_download(benchmark libbenchmark-dev
    https://github.com/google/benchmark/archive/refs/tags/v1.7.1.tar.gz
    6430e4092653380d9dc4ccb45a1e2dc9259d581f4866dc0759713126056bc1d7)
  set(BENCHMARK_ENABLE_TESTING OFF)
  set(BENCHMARK_ENABLE_INSTALL OFF)
  add_subdirectory(${benchmark_SOURCE_DIR} ${benchmark_BINARY_DIR} EXCLUDE_FROM_ALL)
  add_library(tsugi_dep_benchmark ALIAS benchmark)
endif()
