#include "gateway/metadata_bounds.h"

#include <set>
#include <string>
#include <utility>

#include "common/json.h"
#include "schemas/filter_advice.h"
#include "schemas/filter_value.h"

namespace millrace {
namespace {

// Counts as metadata_keys() does, up to the first field that is too much. The recursion is bounded
// by the depth that JSON may have.
class ExcessFinder {
 public:
  void object(json::Value value, const std::string& before) {
    for (std::size_t i = 0; i < value.size() && !found_; ++i) {
      const json::Value::Member member = value.member_at(i);
      const std::string path = before + std::string{member.name};
      if (member.value.is_null()) continue;
      if (path.size() > kMetadataFieldBytesMax) {
        report(path, "has a name that is too long: with the names of the objects around it, " +
                         std::to_string(kMetadataFieldBytesMax) + " bytes");
      } else {
        add(member.value, path);
      }
    }
  }
  std::optional<FieldProblem> take() { return std::move(found_); }

 private:
  void add(json::Value value, const std::string& path) {
    if (value.is_null() || found_) return;
    const std::string key = field_key(path);
    if (fields_.insert(key).second && fields_.size() > kMetadataFieldsMax) {
      report(path, "is one field too many: those inside of objects counted, " +
                       std::to_string(kMetadataFieldsMax));
    } else if (value.is_array()) {
      for (std::size_t i = 0; i < value.size(); ++i) add(value[i], path);
    } else if (value.is_object()) {
      object(value, path + ".");
    } else if (values_.insert(key + value_key(value)).second &&
               values_.size() > kMetadataValuesMax) {
      report(path, "has one value too many: those of all fields together, " +
                       std::to_string(kMetadataValuesMax));
    }
  }
  void report(const std::string& path, const std::string& bound) {
    found_ = FieldProblem{filter_advice::shown(path),
                          bound + " are allowed, so that filters know the metadata whole"};
  }

  std::set<std::string> fields_;
  std::set<std::string> values_;
  std::optional<FieldProblem> found_;
};

}  // namespace

std::optional<FieldProblem> unknown_to_filters(std::string_view metadata) {
  if (metadata_keys(metadata).complete) return std::nullopt;
  const auto document = json::Document::parse(metadata);
  if (!document || !document->root().is_object()) return FieldProblem{"", "is not a JSON object"};
  ExcessFinder finder;
  finder.object(document->root(), "");
  return finder.take();
}

}  // namespace millrace
