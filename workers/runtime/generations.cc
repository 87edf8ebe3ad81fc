#include "workers/runtime/generations.h"

#include <mutex>
#include <utility>

namespace millrace {

Status Generations::apply(const Record& record) {
  if (record.tombstone) {
    const std::unique_lock lock{mutex_};
    collections_.erase(record.key);
    return {};
  }
  Result<Collection> collection = collection_from(record);
  if (!collection) return collection.error();
  const std::unique_lock lock{mutex_};
  std::string name = collection->name;
  collections_.insert_or_assign(std::move(name), std::move(*collection));
  return {};
}

bool Generations::covers(int generation, std::string_view collection) const {
  const std::shared_lock lock{mutex_};
  const auto found = collections_.find(collection);
  return found == collections_.end() ? generation == 1 : found->second.is_in(generation);
}

std::vector<Generation> Generations::others() const {
  std::map<int, Generation> others;
  const std::shared_lock lock{mutex_};
  for (const auto& [name, collection] : collections_) {
    for (const Generation& each : collection.generations) {
      if (each.number != 1) others.emplace(each.number, each);
    }
  }
  std::vector<Generation> sorted;
  for (auto& [number, generation] : others) sorted.push_back(std::move(generation));
  return sorted;
}

}  // namespace millrace
