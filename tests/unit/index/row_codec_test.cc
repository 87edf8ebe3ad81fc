#include "workers/index/row_codec.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

ChunkRow chunk_row() {
  ChunkRow row;
  row.revision_number = 300;
  row.chunk.chunk_id = "0123";
  row.chunk.ordinal = 7;
  row.chunk.text = std::string{"text with \0 inside", 18};
  row.chunk.start = 1'000'000'000'000;
  row.chunk.end = row.chunk.start + 18;
  row.chunk.page = 12;
  row.chunk.headings = {"One", "", "Two"};
  row.chunk.tokens = 4;
  return row;
}

DocumentRow document_row() {
  DocumentRow row;
  row.swaps.push_back({{"R2", 3}, 9, 2, false, {{"R1", 2}, {"R0", 1}}});
  row.swaps.push_back({{"R1", 2}, 8, 0, true, {}});
  row.ranges = {{5, 64}, {200, 3}};
  row.allow = {"red", "blue"};
  return row;
}

// Every shorter piece and every longer one is refused.
template <class Row>
void expect_strict(const Row& row) {
  const std::string bytes = encode(row);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Row out;
    EXPECT_FALSE(decode(std::string_view{bytes}.substr(0, size), out)) << size;
  }
  Row out;
  EXPECT_FALSE(decode(bytes + "x", out));
  std::string other_version = bytes;
  other_version.front() = 1;
  EXPECT_FALSE(decode(other_version, out));
}

TEST(RowCodec, gives_back_what_was_encoded) {
  ChunkRow chunk;
  ASSERT_TRUE(decode(encode(chunk_row()), chunk));
  EXPECT_EQ(chunk.chunk, chunk_row().chunk);
  EXPECT_EQ(chunk.revision_number, 300U);

  DocumentRow document;
  ASSERT_TRUE(decode(encode(document_row()), document));
  EXPECT_EQ(encode(document), encode(document_row()));
  EXPECT_EQ(document.current().superseded, document_row().current().superseded);
  EXPECT_EQ(document.ranges, document_row().ranges);
  EXPECT_EQ(document.allow, document_row().allow);
  EXPECT_TRUE(document.swaps[1].removed);
  EXPECT_EQ(document.chunks(), 67U);

  StagedRow staged;
  ASSERT_TRUE(decode(encode(StagedRow{4, 5, {6, 7}}), staged));
  EXPECT_EQ(staged.number, 4U);
  EXPECT_EQ(staged.batches, 5);
  EXPECT_EQ(staged.range, (SlotRange{6, 7}));
}

TEST(RowCodec, refuses_bytes_that_are_cut_or_too_long_or_of_another_version) {
  expect_strict(chunk_row());
  expect_strict(document_row());
  expect_strict(StagedRow{400, 5, {1ULL << 40U, 7}});
  expect_strict(RevisionRow{"id", "revision", "title", "name", "{}", "en"});
  expect_strict(CollectionRow{7, {"en", "", "zh"}});
  expect_strict(std::vector<SlotRange>{{1, 2}, {3, 4}});
}

TEST(RowCodec, refuses_numbers_that_do_not_fit) {
  std::string bytes = encode(StagedRow{1, 1, {1, 1}});
  bytes.replace(2, 1, "\xff\xff\xff\xff\x7f");  // batches: more than 32 bits hold
  StagedRow row;
  EXPECT_FALSE(decode(bytes, row));
  DocumentRow none;
  EXPECT_FALSE(decode(encode(DocumentRow{}), none)) << "a document without a revision";
}

TEST(RowCodec, damaged_bytes_never_crash) {
  const std::string bytes = encode(document_row());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      DocumentRow row;
      if (decode(damaged, row)) {
        EXPECT_FALSE(row.swaps.empty());
      }
    }
  }
}

TEST(RowCodec, big_endian_numbers_sort_as_their_bytes) {
  std::string before;
  for (const std::uint64_t number : {0ULL, 1ULL, 255ULL, 256ULL, 1ULL << 40U, ~0ULL}) {
    std::string key;
    put_big_endian(key, number);
    EXPECT_TRUE(before.empty() || before < key);
    EXPECT_EQ(big_endian_from(key), number);
    before = key;
  }
  EXPECT_EQ(big_endian_from("short"), std::nullopt);
}

}  // namespace
}  // namespace millrace
