// The check of JSON text that comes from files, before anything builds a tree from it.
#pragma once

#include <string>

namespace tsugi {

/// Throws unless `text` is one JSON object, nested at most 64 deep, of at most 2,000,000 values, without duplicate
/// keys. `place` opens the message.
void check_json_object(const std::string& text, const std::string& place);

}  // namespace tsugi
