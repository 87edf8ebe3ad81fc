#pragma once

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "schemas/dead_letter.h"
#include "schemas/topics.h"
#include "tests/support/stage_driver.h"

// What the tests of the runner share. Both topics keep every record: nothing is compacted away.
namespace millrace {

inline const std::string kInput = topics::chunks(2);
inline const std::string kOutput = topics::chunks(1);

inline Record input(std::string key, std::string value) {
  Record record;
  record.topic = kInput;
  record.key = std::move(key);
  record.value = std::move(value);
  return record;
}

inline std::vector<Record> inputs(const std::vector<std::string>& values) {
  std::vector<Record> records;
  for (const std::string& value : values) records.push_back(input("key", value));
  return records;
}

inline Outputs echo(const Record& record) {
  Record output;
  output.topic = kOutput;
  output.key = record.key;
  output.value = record.value;
  return {output};
}

inline std::vector<std::string> values_of(const std::vector<Record>& records) {
  std::vector<std::string> values;
  for (const Record& record : records) values.push_back(record.value);
  return values;
}

inline std::vector<DeadLetter> dead_letters(StageDriver& driver) {
  std::vector<DeadLetter> letters;
  for (const Record& record : driver.read(topics::kDeadLetters)) {
    Result<DeadLetter> letter = dead_letter_from(record);
    EXPECT_TRUE(letter.has_value()) << letter.error().message;
    if (letter) letters.push_back(std::move(*letter));
  }
  return letters;
}

}  // namespace millrace
