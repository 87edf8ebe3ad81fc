#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "schemas/event.h"
#include "schemas/topics.h"
#include "tests/unit/schemas/samples.h"
#include "tests/unit/schemas/schema_validator.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

const fs::path kSource{MILLRACE_SOURCE_DIR};
const fs::path kSchemas = kSource / "schemas";
const fs::path kGolden = kSource / "tests/golden/events";
const fs::path kActual{MILLRACE_ACTUAL_DIR};  // to copy from when a change is meant

// Samples whose JSON is damaged in one place each: a member left out, or of another type.
class Damage {
 public:
  struct Result {
    std::string json;
    std::string what;
  };
  // Every way to damage `value` once.
  static std::vector<Result> all_of(json::Value value) {
    std::vector<Result> results;
    for (int place = 0;; ++place) {
      Damage damage{place};
      damage.write(value, "");
      if (damage.what_.empty()) return results;
      results.push_back({damage.out_.take(), damage.what_});
    }
  }

 private:
  explicit Damage(int place) : place_{place} {}
  bool here() { return next_++ == place_; }

  void write(json::Value value, const std::string& path) {
    if (here()) {
      what_ = path + " of another type";
      if (value.is_string()) {
        out_.value(17);
      } else {
        out_.value("17");
      }
    } else if (value.is_object()) {
      out_.begin_object();
      for (std::size_t i = 0; i < value.size(); ++i) write_member(value.member_at(i), path);
      out_.end_object();
    } else if (value.is_array()) {
      out_.begin_array();
      for (std::size_t i = 0; i < value.size(); ++i) write(value[i], path + "[]");
      out_.end_array();
    } else {
      out_.raw(value.serialize());
    }
  }
  void write_member(const json::Value::Member& member, const std::string& path) {
    const std::string below = path + "." + std::string{member.name};
    if (here()) {
      what_ = below + " left out";
      return;
    }
    out_.key(member.name);
    write(member.value, below);
  }

  int place_;
  int next_ = 0;
  std::string what_;
  json::Writer out_;
};

Record with_json(const Record& record, const std::string& json) {
  Record changed = record;
  changed.value =
      json + record.value.substr(std::min(record.value.size(), record.value.find('\n')));
  return changed;
}

EventParts parts_of(const Sample& sample) {
  const auto parts = split_event(sample.record, sample.event);
  EXPECT_TRUE(parts.has_value()) << sample.name();
  return parts ? *parts : EventParts{};
}

json::Document parsed(std::string_view json) {
  auto document = json::Document::parse(json);
  EXPECT_TRUE(document.has_value()) << json;
  return std::move(*document);
}

void expect_file(const fs::path& name, const std::string& actual) {
  fs::create_directories(kActual);
  std::ofstream{kActual / name, std::ios::binary} << actual;
  if (!fs::exists(kGolden / name)) {
    ADD_FAILURE() << "no golden file " << name << "; what C++ writes is in " << kActual;
    return;
  }
  EXPECT_EQ(read_file(kGolden / name), actual)
      << name << " differs from what C++ writes, which is in " << kActual;
}

TEST(Events, are_written_byte_for_byte_as_the_golden_files_have_them) {
  std::set<std::string> written;
  for (const Sample& sample : samples()) {
    const EventParts parts = parts_of(sample);
    expect_file(sample.name() + ".json", std::string{parts.json} + "\n");
    written.insert(sample.name() + ".json");
    if (parts.body.empty()) continue;
    expect_file(sample.name() + ".body", std::string{parts.body});
    written.insert(sample.name() + ".body");
  }
  for (const auto& file : fs::directory_iterator{kGolden}) {
    EXPECT_TRUE(written.contains(file.path().filename().string())) << "no sample: " << file;
  }
}

TEST(Events, read_back_as_they_were_written) {
  for (const Sample& sample : samples()) {
    const Status status = sample.read_back(sample.record);
    EXPECT_TRUE(status.has_value()) << sample.name() << ": " << status.error().message;
  }
}

TEST(Events, are_as_their_schemas_say) {
  SchemaValidator validator{kSchemas};
  for (const Sample& sample : samples()) {
    const json::Document document = parsed(read_file(kGolden / (sample.name() + ".json")));
    EXPECT_THAT(validator.check(sample.event, document.root()), IsEmpty()) << sample.name();
  }
}

// Codec and schema say the same of every damaged sample. Only the codec can compare the body.
TEST(Events, are_refused_by_codec_and_schema_alike) {
  SchemaValidator validator{kSchemas};
  std::size_t refused = 0;
  for (const Sample& sample : samples()) {
    const json::Document document = parsed(parts_of(sample).json);
    for (const Damage::Result& damaged : Damage::all_of(document.root())) {
      const Status status = sample.read_back(with_json(sample.record, damaged.json));
      const bool codec_refuses = !status && status.error().kind == Error::Kind::rejected;
      const json::Document bad = parsed(damaged.json);
      bool schema_refuses = !validator.check(sample.event, bad.root()).empty();
      if (damaged.what == ".body_bytes left out") schema_refuses = true;
      EXPECT_EQ(codec_refuses, schema_refuses) << sample.name() << damaged.what;
      refused += codec_refuses ? 1U : 0U;
    }
  }
  EXPECT_GT(refused, 500U) << "the test no longer damages much";
}

TEST(Events, may_have_members_that_a_newer_writer_added) {
  for (const Sample& sample : samples()) {
    std::string json{parts_of(sample).json};
    json.insert(1, "\"added_later\":{\"a\":[1,2]},");
    const Status status = sample.read_back(with_json(sample.record, json));
    EXPECT_TRUE(status.has_value()) << sample.name() << ": " << status.error().message;
  }
}

TEST(Events, of_every_topic_have_a_sample_on_it_and_a_schema) {
  for (const TopicRow& row : topic_table()) {
    EXPECT_TRUE(fs::exists(kSchemas / (std::string{row.event} + ".schema.json"))) << row.event;
    const auto found = std::ranges::find(samples(), row.event, &Sample::event);
    ASSERT_NE(found, samples().end()) << row.event;
    EXPECT_EQ(found->record.topic, std::string{row.name} + (row.per_generation ? ".g3" : ""));
  }
}

TEST(Events, schemas_use_only_keywords_that_this_test_checks) {
  SchemaValidator validator{kSchemas};
  int checked = 0;
  for (const auto& file : fs::directory_iterator{kSchemas}) {
    const std::string name = file.path().filename().string();
    const std::size_t suffix = name.find(".schema.json");
    if (suffix == std::string::npos) continue;
    EXPECT_THAT(validator.check_schema(name.substr(0, suffix)), IsEmpty());
    ++checked;
  }
  EXPECT_GE(checked, 13);
}

}  // namespace
}  // namespace millrace
