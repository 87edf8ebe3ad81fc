#include <cassert>
#include <utility>

#include "workers/index/inverted_file.h"
#include "workers/index/inverted_writer.h"

namespace millrace {
namespace {

// A source's terms in order, and its rows' new numbers.
class MergeSource {
 public:
  MergeSource(const InvertedFile& file, const Bitmap& keep)
      : file_{&file}, keep_{&keep}, new_rows_(file.rows(), kNoRow), reader_{{}, {}, 0} {
    assert(keep.rows() == file.rows());
  }

  // Numbers the rows that are kept from `next` on. The number after the last one.
  Row add_rows(Row next, InvertedWriter& writer) {
    std::size_t run = 0;
    const auto all = static_cast<Row>(file_->rows());
    for (Row row = keep_->next(0); row < all; row = keep_->next(row + 1)) {
      while (file_->run_end(run) <= row) ++run;
      writer.add_row(file_->run_collection(run), file_->lengths()[row]);
      new_rows_[row] = next++;
    }
    return next;
  }

  // To the next term, at first the first one. Check at_end() then.
  Status next() {
    const std::pair<std::uint32_t, std::string> before{collection_, reader_.term()};
    const bool first = !started_;
    while (!reader_.next()) {
      if (reader_.damaged()) return rejected("inverted index: a damaged term");
      at_end_ = !next_group();
      if (at_end_) return {};
    }
    if (!first && position() <= std::pair<std::uint32_t, std::string_view>{before}) {
      return rejected("inverted index: terms out of order");
    }
    return {};
  }
  bool at_end() const { return at_end_; }
  std::pair<std::uint32_t, std::string_view> position() const {
    return {collection_, reader_.term()};
  }

  // Adds this term's postings that are kept.
  Status add_postings(PostingListWriter& list, const InvertedWriter& writer) {
    const auto from = reader_.list();
    if (!from) return rejected("inverted index: a damaged list");
    for (std::size_t block = 0; block < from->blocks(); ++block) {
      const std::size_t size = from->decode_rows(block, rows_);
      if (size == 0) return rejected("inverted index: a damaged list");
      from->decode_counts(block, counts_);
      for (std::size_t i = 0; i < size; ++i) {
        const Row row = new_rows_[rows_[i]];
        if (row != kNoRow) list.add(row, counts_[i], writer.length_code(row));
      }
    }
    return {};
  }

 private:
  bool next_group() {
    if (started_) ++group_;
    started_ = true;
    for (; collection_at_ < file_->collections(); ++collection_at_) {
      const InvertedFile::Collection collection = file_->collection(collection_at_);
      if (group_ >= collection.group_end) continue;
      collection_ = collection.number;
      reader_ = file_->group(group_);
      return true;
    }
    return false;
  }

  const InvertedFile* file_;
  const Bitmap* keep_;
  std::vector<Row> new_rows_;
  std::size_t collection_at_ = 0;
  std::size_t group_ = 0;
  std::uint32_t collection_ = 0;
  bool started_ = false;
  bool at_end_ = false;
  GroupReader reader_;
  PostingList::Numbers rows_;
  PostingList::Numbers counts_;
};

// The least term that a source has; none at the end of all.
const MergeSource* least(const std::vector<MergeSource>& sources) {
  const MergeSource* least = nullptr;
  for (const MergeSource& source : sources) {
    if (source.at_end()) continue;
    if (least == nullptr || source.position() < least->position()) least = &source;
  }
  return least;
}

}  // namespace

Status InvertedIndex::merge(std::span<const Source> sources, const ByteSink& sink) {
  InvertedWriter writer{sink};
  std::vector<MergeSource> files;
  files.reserve(sources.size());
  std::size_t kept = 0;
  for (const Source& source : sources) kept += source.keep->count();
  if (kept > kSegmentRowsMax) return rejected("merge: more rows than a segment may have");
  Row rows = 0;
  for (const Source& source : sources) {
    rows = files.emplace_back(*source.index->file_, *source.keep).add_rows(rows, writer);
    if (Status begun = files.back().next(); !begun) return begun;
  }
  PostingListWriter list;
  while (const MergeSource* first = least(files)) {
    const auto [collection, view] = first->position();
    const std::string term{view};
    for (MergeSource& file : files) {
      if (file.at_end() || file.position() != std::pair{collection, std::string_view{term}})
        continue;
      if (Status added = file.add_postings(list, writer); !added) return added;
      if (Status moved = file.next(); !moved) return moved;
    }
    if (list.size() == 0) continue;
    if (Status added = writer.add_term(collection, term, list); !added) return added;
  }
  return writer.finish();
}

}  // namespace millrace
