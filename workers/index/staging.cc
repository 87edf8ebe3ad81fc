#include "workers/index/staging.h"

namespace millrace {

const StagedRevision* Staging::find(std::string_view key, std::string_view revision) const {
  const auto document = documents_.find(key);
  if (document == documents_.end()) return nullptr;
  for (const StagedRevision& staged : document->second) {
    if (staged.revision == revision) return &staged;
  }
  return nullptr;
}

void Staging::add(std::string_view key, std::string_view revision, std::int32_t batch,
                  const StagedRow& row) {
  std::vector<StagedRevision>& revisions = documents_[std::string{key}];
  for (StagedRevision& staged : revisions) {
    if (staged.revision != revision) continue;
    staged.arrived[batch] = row.range;
    return;
  }
  revisions.push_back({std::string{revision}, row.number, row.batches, {{batch, row.range}}});
}

std::vector<StagedRevision> Staging::older(std::string_view key, std::uint64_t number) const {
  std::vector<StagedRevision> found;
  const auto document = documents_.find(key);
  if (document == documents_.end()) return found;
  for (const StagedRevision& staged : document->second) {
    if (staged.number < number) found.push_back(staged);
  }
  return found;
}

void Staging::settle(std::string_view key, std::uint64_t number) {
  const auto document = documents_.find(key);
  if (document == documents_.end()) return;
  std::erase_if(document->second,
                [number](const StagedRevision& staged) { return staged.number <= number; });
  if (document->second.empty()) documents_.erase(document);
}

std::vector<SlotRange> Staging::ranges() const {
  std::vector<SlotRange> found;
  for (const auto& [key, revisions] : documents_) {
    for (const StagedRevision& staged : revisions) {
      for (const auto& [batch, range] : staged.arrived) found.push_back(range);
    }
  }
  return found;
}

}  // namespace millrace
