#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "workers/index/inverted.h"
#include "workers/index/posting_list.h"

namespace millrace {

// Writes what inverted_file.h describes: first all rows in order, then all terms by collection and
// term, then finish(). Lists go out as they come; in memory stay the tables behind them: a byte or
// so for each row, and 24 bytes and a term for each group of terms.
class InvertedWriter {
 public:
  explicit InvertedWriter(const ByteSink& sink);
  void add_row(std::uint32_t collection, std::uint8_t length_code);
  std::uint8_t length_code(Row row) const { return static_cast<std::uint8_t>(lengths_[row]); }
  // `list`, which has postings, is finished by this.
  Status add_term(std::uint32_t collection, std::string_view term, PostingListWriter& list);
  Status finish();

 private:
  struct Collection {
    CollectionLength length;
    std::uint32_t groups = 0;
  };

  void begin_group(std::uint32_t collection, std::string_view term);
  Status end_group();
  Status write(std::string_view bytes);
  Status flush(bool all);

  const ByteSink& sink_;
  std::string buffer_;
  std::uint64_t written_ = 0;  // the buffer included
  std::uint64_t checksum_;

  std::map<std::uint32_t, Collection> collections_;
  std::string lengths_;
  std::string runs_;
  std::string groups_;
  std::string keys_;
  std::uint32_t groups_count_ = 0;
  std::uint32_t row_collection_ = 0;  // of the last row

  // The group that is being written.
  std::uint32_t group_collection_ = 0;
  std::uint64_t group_lists_ = 0;
  std::size_t group_key_ = 0;
  std::size_t group_terms_ = 0;
  std::string terms_;
  std::string last_term_;
};

}  // namespace millrace
