#include "schemas/collection.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <utility>

#include "schemas/codec.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

using State = Generation::State;

constexpr std::array<Named<State>, 4> kStates{{{"building", State::building},
                                               {"paused", State::paused},
                                               {"serving", State::serving},
                                               {"kept", State::kept}}};

using Source = GenerationSettings::Source;
constexpr std::array<Named<Source>, 2> kSources{
    {{"texts", Source::texts}, {"documents", Source::documents}}};

void read_setting(json::ObjectReader& in, std::string_view name, std::int64_t min,
                  std::optional<std::int64_t>& out) {
  std::int64_t value = 0;
  if (in.optional(name, value, min)) out = value;
}

void write_one(json::Writer& out, const Generation& generation) {
  out.begin_object()
      .field("number", std::int32_t{generation.number})
      .field("state", to_string(generation.state));
  write_object(out, "settings", generation.settings);
  write_time(out, "since_ms", generation.since);
  out.end_object();
}

void read_one(json::ObjectReader& in, Generation& generation) {
  read_integer(in, "number", generation.number, 1);
  read_enum(in, "state", generation.state, kStates);
  read_time(in, "since_ms", generation.since);
  read_object(in, "settings", generation.settings);
}

void check_generations(json::ObjectReader& in, const Collection& collection) {
  const auto serves = [](const Generation& each) { return each.state == State::serving; };
  const Generation* answers = collection.find(collection.generation);
  if (std::ranges::adjacent_find(collection.generations, std::ranges::greater_equal{},
                                 &Generation::number) != collection.generations.end()) {
    in.fail("generations are not in the order of their numbers");
  } else if (answers == nullptr || !serves(*answers) ||
             std::ranges::count_if(collection.generations, serves) != 1) {
    in.fail("generation " + std::to_string(collection.generation) +
            " is not the one among generations that is serving");
  }
}

}  // namespace

void read_members(json::ObjectReader& in, GenerationSettings& settings) {
  if (in.optional_any("from").exists()) read_enum(in, "from", settings.from, kSources);
  std::string model;
  if (in.optional("embedding_model", model)) {
    if (!valid_model_name(model)) in.fail("embedding_model is no name of a model");
    settings.embedding_model = std::move(model);
  }
  read_setting(in, "chunk_tokens", 1, settings.chunk_tokens);
  read_setting(in, "chunk_overlap_tokens", 0, settings.chunk_overlap_tokens);
}

void write_members(json::Writer& out, const GenerationSettings& settings) {
  if (settings.from != Source::texts) out.field("from", to_string(settings.from));
  if (settings.embedding_model) out.field("embedding_model", *settings.embedding_model);
  if (settings.chunk_tokens) out.field("chunk_tokens", *settings.chunk_tokens);
  if (settings.chunk_overlap_tokens) {
    out.field("chunk_overlap_tokens", *settings.chunk_overlap_tokens);
  }
}

std::string_view to_string(Source source) { return name_of(kSources, source); }

bool source_from(std::string_view name, Source& out) { return find_named(kSources, name, out); }

std::string_view to_string(State state) { return name_of(kStates, state); }

const Generation* Collection::find(int number) const {
  const auto found = std::ranges::find(generations, number, &Generation::number);
  return found == generations.end() ? nullptr : &*found;
}

Generation* Collection::find(int number) {
  return const_cast<Generation*>(std::as_const(*this).find(number));
}

bool Collection::is_in(int number) const {
  return generations.empty() ? number == generation : find(number) != nullptr;
}

bool valid_model_name(std::string_view name) {
  constexpr std::size_t kNameBytesMax = 64;
  const auto letter_or_digit = [](unsigned char c) { return c < 0x80 && std::isalnum(c) != 0; };
  if (name.empty() || name.size() > kNameBytesMax || !letter_or_digit(name.front())) return false;
  return std::ranges::all_of(name, [&](char c) {
    return letter_or_digit(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
}

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
  if (collection.retention_days > 0) out.field("retention_days", collection.retention_days);
  if (!collection.generations.empty()) {
    out.key("generations").begin_array();
    for (const Generation& each : collection.generations) write_one(out, each);
    out.end_array();
  }
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
        in.optional("retention_days", collection.retention_days, 1, Collection::kRetentionDaysMax);
        if (!in.optional_array("generations").exists()) return;
        read_objects(in, "generations", collection.generations, read_one);
        if (!in.failed()) check_generations(in, collection);
      });
}

}  // namespace millrace
