#include "workers/index/inverted_file.h"

#include <cstring>

#include "workers/index/checksum.h"

namespace millrace {

using namespace inverted_format;

namespace {

template <class Number>
Number take(std::string_view bytes, std::size_t at) {
  Number value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

namespace inverted_format {

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7U) out.push_back(static_cast<char>(value | 0x80U));
  out.push_back(static_cast<char>(value));
}

}  // namespace inverted_format

bool GroupReader::next() {
  if (terms_.empty() || damaged_) return false;
  damaged_ = !read_term();
  return !damaged_;
}

bool GroupReader::read_term() {
  const auto shared = take_varint(terms_);
  const auto rest = take_varint(terms_);
  if (!shared || !rest || *shared > term_.size() || *rest > terms_.size()) return false;
  term_.resize(*shared);
  term_ += terms_.substr(0, *rest);
  terms_.remove_prefix(*rest);
  const auto size = take_varint(terms_);
  const auto list_bytes = take_varint(terms_);
  if (!size || !list_bytes || *list_bytes > lists_.size()) return false;
  list_ = lists_.substr(0, *list_bytes);
  list_size_ = *size;
  lists_.remove_prefix(*list_bytes);
  return true;
}

std::optional<PostingList> GroupReader::list() const {
  return PostingList::open(list_, list_size_, rows_);
}

Result<std::unique_ptr<const InvertedFile>> InvertedFile::open(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes + kGroupBytes + kFooterBytes + kChecksumBytes) {
    return rejected("inverted index: truncated");
  }
  if (!bytes.starts_with(kMagic)) return rejected("inverted index: not one");
  if (take<std::uint32_t>(bytes, kMagic.size()) != kVersion) {
    return rejected("inverted index: of another version");
  }
  const std::size_t summed = bytes.size() - kChecksumBytes;
  if (checksum(bytes.substr(0, summed)) != take<std::uint64_t>(bytes, summed)) {
    return rejected("inverted index: checksum differs");
  }
  auto file = std::make_unique<InvertedFile>();
  file->bytes_ = bytes;
  if (Status cut = file->cut(); !cut) return cut.error();
  if (Status checked = file->check_runs(); !checked) return checked.error();
  if (Status checked = file->check_collections(); !checked) return checked.error();
  if (Status checked = file->check_groups(); !checked) return checked.error();
  return std::unique_ptr<const InvertedFile>{std::move(file)};
}

// The sections, from the end.
Status InvertedFile::cut() {
  std::size_t end = bytes_.size() - kChecksumBytes - kFooterBytes;
  const std::size_t footer = end;
  const auto section = [&](std::string_view& into, std::uint64_t size) {
    if (size > end - kHeaderBytes) return false;
    end -= size;
    into = bytes_.substr(end, size);
    return true;
  };
  const std::uint64_t rows = take<std::uint32_t>(bytes_, footer);
  const std::uint64_t runs = take<std::uint32_t>(bytes_, footer + 4);
  const std::uint64_t collections = take<std::uint32_t>(bytes_, footer + 8);
  const std::uint64_t groups = take<std::uint32_t>(bytes_, footer + 12);
  const bool fits = rows <= kSegmentRowsMax &&
                    section(keys_, take<std::uint64_t>(bytes_, footer + 16)) &&
                    section(groups_, (groups + 1) * kGroupBytes) &&
                    section(collections_, collections * kCollectionBytes) &&
                    section(runs_, runs * kRunBytes) && section(lengths_, rows);
  if (!fits) return rejected("inverted index: sections that do not fit");
  groups_end_ = end;
  return {};
}

Status InvertedFile::check_runs() const {
  std::size_t begin = 0;
  for (std::size_t run = 0; run < runs(); ++run) {
    if (run_end(run) <= begin) return rejected("inverted index: runs do not ascend");
    begin = run_end(run);
  }
  if (begin != rows()) return rejected("inverted index: runs of other rows");
  return {};
}

Status InvertedFile::check_collections() const {
  std::size_t group_begin = 0;
  for (std::size_t at = 0; at < collections(); ++at) {
    const Collection here = collection(at);
    const bool ordered = (at == 0 || collection(at - 1).number < here.number) &&
                         here.group == group_begin && here.group <= here.group_end &&
                         here.group_end <= groups();
    if (!ordered) return rejected("inverted index: collections out of order");
    group_begin = here.group_end;
  }
  if (group_begin != groups()) return rejected("inverted index: groups of no collection");
  return {};
}

Status InvertedFile::check_groups() const {
  std::uint64_t end = kHeaderBytes;
  std::uint64_t key_end = 0;
  for (std::size_t at = 0; at <= groups(); ++at) {
    const std::uint64_t lists = take<std::uint64_t>(groups_, at * kGroupBytes);
    const std::uint64_t terms = take<std::uint64_t>(groups_, at * kGroupBytes + 8);
    const std::uint64_t key = take<std::uint64_t>(groups_, at * kGroupBytes + 16);
    if (lists < end || terms < lists || key < key_end) {
      return rejected("inverted index: groups out of order");
    }
    end = terms;
    key_end = key;
  }
  if (end > groups_end_ || key_end > keys_.size()) {
    return rejected("inverted index: groups that do not fit");
  }
  return {};
}

std::uint32_t InvertedFile::run_end(std::size_t run) const {
  return take<std::uint32_t>(runs_, run * kRunBytes);
}
std::uint32_t InvertedFile::run_collection(std::size_t run) const {
  return take<std::uint32_t>(runs_, run * kRunBytes + 4);
}

InvertedFile::Collection InvertedFile::collection(std::size_t at) const {
  const std::size_t from = at * kCollectionBytes;
  Collection found;
  found.number = take<std::uint32_t>(collections_, from);
  found.length = {take<std::uint32_t>(collections_, from + 4),
                  take<std::uint64_t>(collections_, from + 8)};
  found.group = take<std::uint32_t>(collections_, from + 16);
  found.group_end = at + 1 == collections()
                        ? groups()
                        : take<std::uint32_t>(collections_, from + kCollectionBytes + 16);
  return found;
}

std::optional<InvertedFile::Collection> InvertedFile::find(std::uint32_t number) const {
  std::size_t begin = 0;
  std::size_t end = collections();
  while (begin < end) {
    const std::size_t middle = begin + (end - begin) / 2;
    const Collection here = collection(middle);
    if (here.number == number) return here;
    (here.number < number ? begin : end) = here.number < number ? middle + 1 : middle;
  }
  return std::nullopt;
}

std::string_view InvertedFile::key(std::size_t group) const {
  const std::uint64_t begin = take<std::uint64_t>(groups_, group * kGroupBytes + 16);
  const std::uint64_t end = take<std::uint64_t>(groups_, (group + 1) * kGroupBytes + 16);
  return keys_.substr(begin, end - begin);
}

GroupReader InvertedFile::group(std::size_t at) const {
  const std::uint64_t lists = take<std::uint64_t>(groups_, at * kGroupBytes);
  const std::uint64_t terms = take<std::uint64_t>(groups_, at * kGroupBytes + 8);
  const std::uint64_t end = take<std::uint64_t>(groups_, (at + 1) * kGroupBytes);
  return {bytes_.substr(lists, terms - lists), bytes_.substr(terms, end - terms), rows()};
}

std::optional<PostingList> InvertedFile::find(const Collection& collection,
                                              std::string_view term) const {
  // The last group whose key is not behind the term.
  std::size_t begin = collection.group;
  std::size_t end = collection.group_end;
  while (begin < end) {
    const std::size_t middle = begin + (end - begin) / 2;
    if (key(middle) <= term) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  if (begin == collection.group) return std::nullopt;
  GroupReader reader = group(begin - 1);
  while (reader.next()) {
    const int order = reader.term().compare(term);
    if (order == 0) return reader.list();
    if (order > 0) break;
  }
  return std::nullopt;
}

}  // namespace millrace
