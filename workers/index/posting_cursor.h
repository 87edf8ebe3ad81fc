#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "workers/index/posting_list.h"

namespace millrace {

// The postings of a list, in order. A block's rows are decoded when they are looked at, its counts
// when they are visited. A damaged block ends the list.
class PostingCursor {
 public:
  explicit PostingCursor(const PostingList& list) : list_{list} {}
  const PostingList& list() const { return list_; }

  // To the first row that is not before `row`; kNoRow at the end. Never goes back.
  Row seek(Row row) {
    for (;;) {
      if (at_ < size_ && rows_[size_ - 1] >= row) {
        if (rows_[at_] < row) {
          const auto* first = rows_.data();
          at_ = static_cast<std::size_t>(std::lower_bound(first + at_, first + size_, row) - first);
        }
        return rows_[at_];
      }
      if (block_ == list_.blocks()) return kNoRow;
      load(list_.seek(size_ > 0 ? block_ + 1 : block_, row));
    }
  }
  // Of the row that seek() gave.
  Row row() const { return rows_[at_]; }
  std::uint32_t count() const { return list_.count(block_, at_); }

  // visit(row, count) for the rows from `begin` to before `end`; `begin` never goes back.
  template <class Visit>
  void visit(Row begin, Row end, Visit visit) {
    while (seek(begin) < end) {
      if (!has_counts_) list_.decode_counts(block_, counts_);
      has_counts_ = true;
      for (; at_ < size_ && rows_[at_] < end; ++at_) visit(rows_[at_], counts_[at_]);
      if (at_ < size_) return;
      begin = rows_[size_ - 1] + 1;
    }
  }

 private:
  void load(std::size_t block) {
    at_ = 0;
    has_counts_ = false;
    size_ = block < list_.blocks() ? list_.decode_rows(block, rows_) : 0;
    block_ = size_ > 0 ? block : list_.blocks();
  }

  PostingList list_;
  std::size_t block_ = 0;  // decoded when size_ > 0; blocks() at the end
  std::size_t at_ = 0;
  std::size_t size_ = 0;
  bool has_counts_ = false;
  PostingList::Numbers rows_;
  PostingList::Numbers counts_;
};

}  // namespace millrace
