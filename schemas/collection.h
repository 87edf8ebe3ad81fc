#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/json.h"
#include "common/log/record.h"

namespace millrace {

inline constexpr std::string_view kDefaultCollection = "default";

// How a generation makes chunks and vectors of chunks; what is left out is as the processes are
// set.
struct GenerationSettings {
  // What its chunks are made of: the texts that the extractor has left, or the documents as they
  // came, which are extracted anew.
  enum class Source { texts, documents };
  Source from = Source::texts;
  std::optional<std::string> embedding_model = {};  // a folder in the setting models_dir
  std::optional<std::int64_t> chunk_tokens = {};
  std::optional<std::int64_t> chunk_overlap_tokens = {};
  bool operator==(const GenerationSettings&) const = default;
};
std::string_view to_string(GenerationSettings::Source source);
bool source_from(std::string_view name, GenerationSettings::Source& out);
void write_members(json::Writer& out, const GenerationSettings& settings);
void read_members(json::ObjectReader& in, GenerationSettings& settings);

// Chunks, vectors and an index that were made in one way, in topics (NAME.gN) and folders of their
// own. All of a collection's follow its changes, but for those that are paused.
struct Generation {
  enum class State { building, paused, serving, kept };
  int number = 1;  // 1 is everybody's; others are one collection's, and never come again
  State state = State::serving;
  GenerationSettings settings = {};
  Clock::Wall since{};  // of the state
  bool operator==(const Generation&) const = default;
};
std::string_view to_string(Generation::State state);

// Settings of a collection. Topic `collections`, key: the name; a deleted one is a tombstone. One
// record changes which generation answers, for everybody at once.
struct Collection {
  std::string name;
  std::string description = {};
  int generation = 1;  // that answers
  Clock::Wall created_at{};
  // By number, that which answers among them and alone `serving`. Empty: there is no other one.
  std::vector<Generation> generations = {};
  std::int64_t retention_days = 0;  // then its documents are deleted; 0: never
  static constexpr std::size_t kGenerationsMax = 8;
  static constexpr std::int64_t kRetentionDaysMax = 36'500;

  const Generation* find(int number) const;  // null: it has none of that number
  Generation* find(int number);
  bool is_in(int number) const;  // has it, or will have
  static constexpr std::string_view kType = "collection";
  bool operator==(const Collection&) const = default;
};

// Of a folder with a model: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit.
bool valid_model_name(std::string_view name);

// 1 to 64 of a-z 0-9 - _, beginning with a letter or digit.
bool valid_collection_name(std::string_view name);

Record to_record(const Collection& collection);
Record collection_tombstone(std::string_view name);
Result<Collection> collection_from(const Record& record);

}  // namespace millrace
