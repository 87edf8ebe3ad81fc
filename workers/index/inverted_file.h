#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/error.h"
#include "workers/index/inverted.h"
#include "workers/index/posting_list.h"

// An inverted index as bytes:
//
//   file        = header { group } lengths runs collections groups keys footer checksum:u64
//   header      = "MLRI" version:u32
//   group       = { list } { term }       at most kGroupTerms terms of one collection, ascending
//   term        = shared:v rest:v bytes size:v list_bytes:v
//   lengths     = { length_code:u8 }      by row
//   runs        = { end:u32 collection:u32 }     neighbouring rows of one collection, by row
//   collections = { collection:u32 rows:u32 terms:u64 group:u32 }     ascending; `group`: its first
//   groups      = { lists:u64 terms:u64 key:u64 }     where they begin, by collection and term;
//                 one more: the end
//   keys        = { bytes }               each group's first term
//   footer      = rows:u32 runs:u32 collections:u32 groups:u32 keys_bytes:u64
//
// Numbers are little-endian and not aligned; `v` is a varint (7 bits a byte, the lowest first).
// `shared` bytes are those of the group's term before, none in the first; `size` is the number of
// postings, `list_bytes` the length of the list (posting_list.h). `checksum` is that of all before
// it (checksum.h). To find a term takes a binary search over a collection's keys and a walk over
// one group.
namespace millrace {

namespace inverted_format {
inline constexpr std::string_view kMagic = "MLRI";
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kHeaderBytes = 8;
inline constexpr std::size_t kRunBytes = 8;
inline constexpr std::size_t kCollectionBytes = 20;
inline constexpr std::size_t kGroupBytes = 24;
inline constexpr std::size_t kFooterBytes = 24;
inline constexpr std::size_t kChecksumBytes = 8;
inline constexpr std::size_t kGroupTerms = 8;

void put_varint(std::string& out, std::uint64_t value);
// Takes it off the front; none when it is damaged.
inline std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}
}  // namespace inverted_format

// Of ascending rows, before any term was found. `lengths`: the codes of all rows.
TermMatches no_matches(std::span<const Row> rows, std::span<const std::uint8_t> lengths,
                       std::size_t terms);

// Of some rows. `lengths`: the codes of all.
CollectionLength length_of(const Bitmap& rows, std::span<const std::uint8_t> lengths);

// Goes over the terms of a group.
class GroupReader {
 public:
  // At `lists` and `terms`, parts of a file, whose rows are `rows`.
  GroupReader(std::string_view lists, std::string_view terms, std::size_t rows)
      : lists_{lists}, terms_{terms}, rows_{rows} {}
  // To the next term, at first the first one; false at the end and where it is damaged.
  bool next();
  bool damaged() const { return damaged_; }
  const std::string& term() const { return term_; }
  std::optional<PostingList> list() const;  // of this term; none when it is damaged

 private:
  bool read_term();
  std::string_view lists_;
  std::string_view terms_;
  std::size_t rows_ = 0;
  std::string term_;
  std::string_view list_;
  std::uint64_t list_size_ = 0;  // postings
  bool damaged_ = false;
};

// What InvertedIndex searches and merge() reads. Lists, terms and their order are checked where
// they are read, everything else by open().
class InvertedFile {
 public:
  struct Collection {
    std::uint32_t number = 0;
    CollectionLength length;
    std::size_t group = 0;
    std::size_t group_end = 0;
  };

  static Result<std::unique_ptr<const InvertedFile>> open(std::string_view bytes);

  std::size_t rows() const { return lengths_.size(); }
  const std::uint8_t* lengths() const {
    return reinterpret_cast<const std::uint8_t*>(lengths_.data());
  }
  std::size_t runs() const { return runs_.size() / inverted_format::kRunBytes; }
  std::uint32_t run_end(std::size_t run) const;
  std::uint32_t run_collection(std::size_t run) const;
  std::size_t collections() const {
    return collections_.size() / inverted_format::kCollectionBytes;
  }
  Collection collection(std::size_t at) const;
  std::optional<Collection> find(std::uint32_t collection) const;
  std::optional<PostingList> find(const Collection& collection, std::string_view term) const;
  GroupReader group(std::size_t at) const;

 private:
  std::size_t groups() const { return groups_.size() / inverted_format::kGroupBytes - 1; }
  std::string_view key(std::size_t group) const;
  Status cut();
  Status check_runs() const;
  Status check_collections() const;
  Status check_groups() const;
  std::string_view bytes_;
  std::string_view lengths_;
  std::string_view runs_;
  std::string_view collections_;
  std::string_view groups_;
  std::string_view keys_;
  std::size_t groups_end_ = 0;  // of the postings and terms
};

}  // namespace millrace
