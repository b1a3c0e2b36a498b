// The models by name, and how many classes benchmarks give them.
#include "bench/measure/shape_lists.h"

#include "engine/model/literature_models.h"

namespace tsugi::bench {

std::vector<std::string> ShapeList::class_names() const {
  std::vector<std::string> names;
  for (int i = 0; i < classes; ++i) names.push_back("class" + std::to_string(i));
  return names;
}

ShapeList find_shape_list(const std::string& name_or_path, FileLog* files) {
  constexpr int kImageNetClasses = 1000;
  ShapeList list;
  list.model = find_model(name_or_path, files);
  for (const LiteratureModel& model : literature_models())
    if (name_or_path == model.name) list.classes = kImageNetClasses;
  return list;
}

}  // namespace tsugi::bench
