// What `tsugi tune` says of one model at one batch size.
#pragma once

#include <string>

#include "bench/tune/tune_model.h"
#include "tools/command.h"

namespace tsugi::tools {

/// A line on the whole of it; `what`: "faces-cnn at batch 64".
std::string tuning_summary(const std::string& what, const bench::TuneResult& result);

/// A row a call, on stdout.
void print_tuning(const bench::TuneResult& result);

Json tuning_json(const std::string& model, int batch, const bench::TuneResult& result);

}  // namespace tsugi::tools
