// Checks of JSON text that comes from files, before anything builds a tree from it, and names made fit for messages.
#pragma once

#include <string>

namespace tsugi {

/// Throws unless `text` is one JSON object, nested at most 64 deep, of at most 2,000,000 values, without duplicate
/// keys. `place` opens the message.
void check_json_object(const std::string& text, const std::string& place);

/// `text` in quotes for a message: at most 80 bytes of it, as printable() shows them.
std::string shown(const std::string& text);

}  // namespace tsugi
