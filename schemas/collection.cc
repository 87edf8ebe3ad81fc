#include "schemas/collection.h"

#include <algorithm>

#include "schemas/codec.h"
#include "schemas/topics.h"

namespace millrace {

bool valid_collection_name(std::string_view name) {
  constexpr std::size_t kNameBytesMax = 64;
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  if (name.empty() || name.size() > kNameBytesMax || !letter_or_digit(name.front())) return false;
  return std::ranges::all_of(name,
                             [&](char c) { return letter_or_digit(c) || c == '-' || c == '_'; });
}

Record to_record(const Collection& collection) {
  json::Writer out;
  out.begin_object()
      .field("name", collection.name)
      .field("description", collection.description)
      .field("generation", std::int32_t{collection.generation});
  write_time(out, "created_at_ms", collection.created_at);
  out.end_object();
  return make_event(topics::kCollections, collection.name, Collection::kType, out.take());
}

Record collection_tombstone(std::string_view name) {
  Record record;
  record.topic = topics::kCollections;
  record.key = name;
  record.tombstone = true;
  return record;
}

Result<Collection> collection_from(const Record& record) {
  return decode_event<Collection>(
      record, [](json::ObjectReader& in, std::string_view, Collection& collection) {
        in.required("name", collection.name);
        if (!in.failed() && !valid_collection_name(collection.name)) {
          in.fail(
              "name is no collection name: 1 to 64 of a-z 0-9 - _, beginning with a letter "
              "or digit");
        }
        in.required("description", collection.description);
        read_integer(in, "generation", collection.generation, 1);
        read_time(in, "created_at_ms", collection.created_at);
      });
}

}  // namespace millrace
