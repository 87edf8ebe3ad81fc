#include "common/readiness.h"

#include <algorithm>

#include "common/json.h"

namespace millrace {

Readiness::Readiness(const std::vector<std::string>& conditions) {
  for (const std::string& name : conditions) conditions_[name] = {false, "starting"};
}

void Readiness::set(std::string_view condition, bool met, std::string_view reason) {
  const std::lock_guard lock{mutex_};
  conditions_[std::string{condition}] = {met, met ? std::string{} : std::string{reason}};
}

bool Readiness::ready_locked() const {
  return std::all_of(conditions_.begin(), conditions_.end(),
                     [](const auto& entry) { return entry.second.met; });
}

bool Readiness::ready() const {
  const std::lock_guard lock{mutex_};
  return ready_locked();
}

std::string Readiness::describe() const {
  const std::lock_guard lock{mutex_};
  json::Writer out;
  out.begin_object().field("ready", ready_locked()).key("conditions").begin_object();
  for (const auto& [name, condition] : conditions_) {
    out.key(name).begin_object().field("ready", condition.met);
    if (!condition.reason.empty()) out.field("reason", condition.reason);
    out.end_object();
  }
  return out.end_object().end_object().take();
}

}  // namespace millrace
