// life.csv: a row each.
#include "engine/core/text.h"
#include "tools/console.h"
#include "tools/life/life.h"

namespace tsugi::tools {

std::string life_csv(const std::vector<LifeRow>& rows) {
  std::string text =
      "server,event,person,people,photos,fraction,general_before,general,general_photos,personal,personal_photos,same,"
      "bytes,auroc,accepted,named_owner,owner_auroc\n";
  for (const LifeRow& row : rows)
    text += row.server + "," + row.event + "," + csv_field(row.person) + "," + std::to_string(row.people) + "," +
            std::to_string(row.photos) + "," + number_text(row.fraction) +
            format(",%.4f,%.4f,%llu,%.4f,%llu,", row.before, row.general.accuracy(),
                   static_cast<unsigned long long>(row.general.photos), row.personal.accuracy(),
                   static_cast<unsigned long long>(row.personal.photos)) +
            row.same + "," + std::to_string(row.bytes) +
            (row.strangers ? format(",%.4f,%.4f,%.4f,%.4f", row.strangers->auroc, row.strangers->strangers.accuracy(),
                                    row.strangers->named_owner.accuracy(), row.strangers->owner_auroc)
                           : ",,,,") +
            "\n";
  return text;
}

}  // namespace tsugi::tools
