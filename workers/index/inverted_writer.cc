#include "workers/index/inverted_writer.h"

#include <algorithm>
#include <cassert>

#include "workers/index/checksum.h"
#include "workers/index/inverted_file.h"

namespace millrace {

using namespace inverted_format;

namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;

template <class Number>
void put(std::string& out, Number value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

InvertedWriter::InvertedWriter(const ByteSink& sink)
    : sink_{sink}, buffer_{kMagic}, checksum_{kChecksumStart} {
  put(buffer_, kVersion);
  written_ = buffer_.size();
}

void InvertedWriter::add_row(std::uint32_t collection, std::uint8_t length_code) {
  assert(lengths_.size() < kSegmentRowsMax);
  lengths_.push_back(static_cast<char>(length_code));
  ++collections_[collection].length.rows;
  if (!runs_.empty() && row_collection_ == collection) runs_.resize(runs_.size() - kRunBytes);
  put(runs_, static_cast<std::uint32_t>(lengths_.size()));
  put(runs_, collection);
  row_collection_ = collection;
}

Status InvertedWriter::add_term(std::uint32_t collection, std::string_view term,
                                PostingListWriter& list) {
  if (group_terms_ == kGroupTerms || (group_terms_ > 0 && group_collection_ != collection)) {
    if (Status ended = end_group(); !ended) return ended;
  }
  if (group_terms_ == 0) begin_group(collection, term);
  collections_[collection].length.terms += list.counts();
  const std::size_t size = list.size();
  const std::string_view bytes = list.finish();
  const auto [end, same] =
      std::mismatch(term.begin(), term.end(), last_term_.begin(), last_term_.end());
  const auto shared = static_cast<std::size_t>(end - term.begin());
  put_varint(terms_, shared);
  put_varint(terms_, term.size() - shared);
  terms_ += term.substr(shared);
  put_varint(terms_, size);
  put_varint(terms_, bytes.size());
  last_term_ = term;
  ++group_terms_;
  return write(bytes);
}

void InvertedWriter::begin_group(std::uint32_t collection, std::string_view term) {
  group_collection_ = collection;
  group_lists_ = written_;
  group_key_ = keys_.size();
  keys_ += term;
  last_term_.clear();
  ++collections_[collection].groups;
  ++groups_count_;
}

Status InvertedWriter::end_group() {
  put(groups_, group_lists_);
  put(groups_, written_);
  put(groups_, static_cast<std::uint64_t>(group_key_));
  group_terms_ = 0;
  const Status written = write(terms_);
  terms_.clear();
  return written;
}

Status InvertedWriter::finish() {
  if (group_terms_ > 0) {
    if (Status ended = end_group(); !ended) return ended;
  }
  put(groups_, written_);
  put(groups_, written_);
  put(groups_, static_cast<std::uint64_t>(keys_.size()));
  std::string collections;
  std::uint32_t group = 0;
  for (const auto& [number, collection] : collections_) {
    put(collections, number);
    put(collections, static_cast<std::uint32_t>(collection.length.rows));
    put(collections, collection.length.terms);
    put(collections, group);
    group += collection.groups;
  }
  std::string footer;
  put(footer, static_cast<std::uint32_t>(lengths_.size()));
  put(footer, static_cast<std::uint32_t>(runs_.size() / kRunBytes));
  put(footer, static_cast<std::uint32_t>(collections_.size()));
  put(footer, groups_count_);
  put(footer, static_cast<std::uint64_t>(keys_.size()));
  for (const std::string* part : {&lengths_, &runs_, &collections, &groups_, &keys_, &footer}) {
    if (Status written = write(*part); !written) return written;
  }
  if (Status flushed = flush(true); !flushed) return flushed;
  put(buffer_, checksum_);
  return sink_(buffer_);
}

Status InvertedWriter::write(std::string_view bytes) {
  buffer_ += bytes;
  written_ += bytes.size();
  return buffer_.size() < kBufferBytes ? Status{} : flush(false);
}

// What is left over is less than the checksum's word.
Status InvertedWriter::flush(bool all) {
  const std::size_t size = all ? buffer_.size() : buffer_.size() / 8 * 8;
  const std::string_view piece = std::string_view{buffer_}.substr(0, size);
  checksum_ = checksum(piece, checksum_);
  const Status taken = sink_(piece);
  buffer_.erase(0, size);
  return taken;
}

}  // namespace millrace
