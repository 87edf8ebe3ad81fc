#include "workers/index/row_codec.h"

#include <limits>

namespace millrace {
namespace {

constexpr unsigned char kVersion = 2;

// Both directions visit the fields in one function, row by row, so that they cannot drift apart.
class Encoder {
 public:
  Encoder() { bytes_.push_back(static_cast<char>(kVersion)); }

  bool number(std::uint64_t value) {
    while (value >= 0x80U) {
      bytes_.push_back(static_cast<char>((value & 0x7fU) | 0x80U));
      value >>= 7U;
    }
    bytes_.push_back(static_cast<char>(value));
    return true;
  }
  template <class Integer>
  bool integer(const Integer& value) {
    return number(static_cast<std::uint64_t>(value));
  }
  bool flag(const bool& value) { return number(value ? 1 : 0); }
  bool text(const std::string& value) {
    number(value.size());
    bytes_ += value;
    return true;
  }
  template <class T, class Visit>
  bool list(const std::vector<T>& values, Visit visit) {
    number(values.size());
    for (const T& value : values) visit(value);
    return true;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_{bytes} {
    good_ = !rest_.empty() && static_cast<unsigned char>(rest_.front()) == kVersion;
    if (good_) rest_.remove_prefix(1);
  }

  bool number(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; good_ && shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80U) return true;
    }
    return good_ = false;
  }
  template <class Integer>
  bool integer(Integer& value) {
    std::uint64_t wide = 0;
    if (!number(wide)) return false;
    if (wide > static_cast<std::uint64_t>(std::numeric_limits<Integer>::max())) {
      return good_ = false;
    }
    value = static_cast<Integer>(wide);
    return true;
  }
  bool flag(bool& value) {
    std::uint64_t wide = 0;
    if (!number(wide) || wide > 1) return good_ = false;
    value = wide == 1;
    return true;
  }
  bool text(std::string& value) {
    std::uint64_t size = 0;
    if (!number(size) || size > rest_.size()) return good_ = false;
    value.assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return true;
  }
  template <class T, class Visit>
  bool list(std::vector<T>& values, Visit visit) {
    std::uint64_t size = 0;
    // Every element has at least one byte: a damaged size cannot make us allocate more.
    if (!number(size) || size > rest_.size()) return good_ = false;
    values.clear();
    for (std::uint64_t i = 0; i < size; ++i) {
      if (!visit(values.emplace_back())) return false;
    }
    return true;
  }
  bool finish() const { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = false;
};

template <class Coder, class Strings>
bool visit_texts(Coder& coder, Strings& texts) {
  return coder.list(texts, [&coder](auto& text) { return coder.text(text); });
}

template <class Coder, class Ranges>
bool visit_ranges(Coder& coder, Ranges& ranges) {
  return coder.list(ranges, [&coder](auto& range) {
    return coder.integer(range.first) && coder.integer(range.count);
  });
}

template <class Coder, class Records>
bool visit_records(Coder& coder, Records& records) {
  return coder.text(records.revision) && coder.integer(records.batches);
}

template <class Coder, class Row>
bool visit_chunk(Coder& coder, Row& row) {
  auto& chunk = row.chunk;
  return coder.integer(row.revision_number) && coder.text(chunk.chunk_id) &&
         coder.integer(chunk.ordinal) && coder.integer(chunk.start) && coder.integer(chunk.end) &&
         coder.integer(chunk.page) && visit_texts(coder, chunk.headings) &&
         coder.integer(chunk.tokens) && coder.text(chunk.text);
}

template <class Coder, class Row>
bool visit_revision(Coder& coder, Row& row) {
  return coder.text(row.document_id) && coder.text(row.revision) && coder.text(row.title) &&
         coder.text(row.name) && coder.text(row.metadata) && coder.text(row.language);
}

template <class Coder, class Row>
bool visit_collection(Coder& coder, Row& row) {
  return coder.integer(row.number) && visit_texts(coder, row.languages);
}

template <class Coder, class Row>
bool visit_document(Coder& coder, Row& row) {
  const auto visit_swap = [&coder](auto& swap) {
    return visit_records(coder, swap.records) && coder.integer(swap.number) &&
           coder.integer(swap.completed_by) && coder.flag(swap.removed) &&
           coder.list(swap.superseded,
                      [&coder](auto& records) { return visit_records(coder, records); });
  };
  return coder.list(row.swaps, visit_swap) && visit_ranges(coder, row.ranges) &&
         visit_texts(coder, row.allow);
}

template <class Coder, class Row>
bool visit_staged(Coder& coder, Row& row) {
  return coder.integer(row.number) && coder.integer(row.batches) &&
         coder.integer(row.range.first) && coder.integer(row.range.count);
}

}  // namespace

std::uint64_t DocumentRow::chunks() const {
  std::uint64_t sum = 0;
  for (const SlotRange& range : ranges) sum += range.count;
  return sum;
}

std::string encode(const ChunkRow& row) {
  Encoder out;
  visit_chunk(out, row);
  return out.take();
}
std::string encode(const RevisionRow& row) {
  Encoder out;
  visit_revision(out, row);
  return out.take();
}
std::string encode(const CollectionRow& row) {
  Encoder out;
  visit_collection(out, row);
  return out.take();
}
std::string encode(const DocumentRow& row) {
  Encoder out;
  visit_document(out, row);
  return out.take();
}
std::string encode(const StagedRow& row) {
  Encoder out;
  visit_staged(out, row);
  return out.take();
}
std::string encode(const std::vector<SlotRange>& ranges) {
  Encoder out;
  visit_ranges(out, ranges);
  return out.take();
}

bool decode(std::string_view bytes, ChunkRow& row) {
  Decoder in{bytes};
  return visit_chunk(in, row) && in.finish();
}
bool decode(std::string_view bytes, RevisionRow& row) {
  Decoder in{bytes};
  return visit_revision(in, row) && in.finish();
}
bool decode(std::string_view bytes, CollectionRow& row) {
  Decoder in{bytes};
  return visit_collection(in, row) && in.finish();
}
bool decode(std::string_view bytes, DocumentRow& row) {
  Decoder in{bytes};
  return visit_document(in, row) && in.finish() && !row.swaps.empty();
}
bool decode(std::string_view bytes, StagedRow& row) {
  Decoder in{bytes};
  return visit_staged(in, row) && in.finish();
}
bool decode(std::string_view bytes, std::vector<SlotRange>& ranges) {
  Decoder in{bytes};
  return visit_ranges(in, ranges) && in.finish();
}

void put_big_endian(std::string& out, std::uint64_t value) {
  for (unsigned shift = 64; shift > 0; shift -= 8) {
    out.push_back(static_cast<char>((value >> (shift - 8U)) & 0xffU));
  }
}

std::optional<std::uint64_t> big_endian_from(std::string_view bytes) {
  if (bytes.size() != 8) return std::nullopt;
  std::uint64_t value = 0;
  for (const char byte : bytes) value = (value << 8U) | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace millrace
