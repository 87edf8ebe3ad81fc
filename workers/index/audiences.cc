#include "workers/index/audiences.h"

#include <algorithm>
#include <cassert>

namespace millrace {
namespace {

void normalize(std::vector<std::string>& allow) {
  std::sort(allow.begin(), allow.end());
  allow.erase(std::unique(allow.begin(), allow.end()), allow.end());
}

}  // namespace

Audience Audiences::acquire(std::string_view collection, std::vector<std::string> allow,
                            std::uint64_t rows) {
  normalize(allow);
  auto members = collections_.find(collection);
  if (members == collections_.end()) members = collections_.emplace(collection, Members{}).first;
  const auto [entry, fresh] = members->second.by_allow.try_emplace(allow);
  if (fresh) {
    if (free_.empty()) {
      entry->second.number = next_++;
    } else {
      entry->second.number = free_.back();
      free_.pop_back();
    }
    for (const std::string& group : allow) {
      members->second.by_group[group].push_back(entry->second.number);
    }
  }
  entry->second.rows += rows;
  return entry->second.number;
}

void Audiences::release(std::string_view collection, std::vector<std::string> allow,
                        std::uint64_t rows) {
  normalize(allow);
  const auto members = collections_.find(collection);
  assert(members != collections_.end());
  const auto entry = members->second.by_allow.find(allow);
  assert(entry != members->second.by_allow.end() && entry->second.rows >= rows);
  entry->second.rows -= rows;
  if (entry->second.rows > 0) return;
  free_.push_back(entry->second.number);
  for (const std::string& group : allow) {
    const auto numbers = members->second.by_group.find(group);
    std::erase(numbers->second, entry->second.number);
    if (numbers->second.empty()) members->second.by_group.erase(numbers);
  }
  members->second.by_allow.erase(entry);
  if (members->second.by_allow.empty()) collections_.erase(members);
}

std::vector<std::uint8_t> Audiences::visible(std::string_view collection, bool sees_everything,
                                             std::span<const std::string> groups) const {
  const auto members = collections_.find(collection);
  if (members == collections_.end()) return {};
  std::vector<std::uint8_t> table(next_, 0);
  bool any = false;
  const auto open = [&](Audience number) { table[number] = 1, any = true; };
  if (sees_everything) {
    for (const auto& [allow, entry] : members->second.by_allow) open(entry.number);
  } else {
    // The empty list sorts first: open to everybody.
    const auto& first = *members->second.by_allow.begin();
    if (first.first.empty()) open(first.second.number);
    for (const std::string& group : groups) {
      const auto numbers = members->second.by_group.find(group);
      if (numbers == members->second.by_group.end()) continue;
      for (const Audience number : numbers->second) open(number);
    }
  }
  return any ? table : std::vector<std::uint8_t>{};
}

}  // namespace millrace
