// tsugi inspect --layers: what a model file may hold, from the rows that parse it.
#pragma once

#include "engine/core/json_value.h"

namespace tsugi::tools {

/// Every field of a model, of each kind of layer and of "training": printed as help, and as JSON.
void print_model_fields();
Json model_fields_json();

}  // namespace tsugi::tools
