#include "gateway/document_turns.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "gateway/dead_letters.h"

namespace millrace {
namespace {

namespace net = boost::asio;

std::future<std::optional<DocumentTurns::Turn>> write(net::io_context& io, DocumentTurns& turns,
                                                      std::vector<std::string> keys) {
  return net::co_spawn(io, turns.to_write(std::move(keys)), net::use_future);
}

TEST(DocumentTurns, writers_go_side_by_side_and_who_sends_again_goes_alone) {
  DocumentTurns turns;
  net::io_context io;
  auto first = write(io, turns, {"a", "b"});
  auto second = write(io, turns, {"b"});
  io.run();
  {
    const auto one = first.get();
    const auto other = second.get();
    EXPECT_TRUE(one && other);
    EXPECT_FALSE(turns.to_send_again("a"));
    EXPECT_FALSE(turns.to_send_again("b"));
    EXPECT_TRUE(turns.to_send_again("c"));
  }
  const auto again = turns.to_send_again("b");
  EXPECT_TRUE(again);
  EXPECT_FALSE(turns.to_send_again("b"));
  EXPECT_TRUE(turns.to_send_again("a"));
}

TEST(DocumentTurns, a_writer_waits_until_the_document_was_sent_again) {
  DocumentTurns turns;
  net::io_context io;
  auto again = turns.to_send_again("a");
  auto writer = write(io, turns, {"a", "b"});
  io.run_for(std::chrono::milliseconds{20});
  EXPECT_FALSE(io.stopped()) << "it waits";
  EXPECT_TRUE(turns.to_send_again("b")) << "it has begun nothing";
  again.reset();
  io.run();
  EXPECT_TRUE(writer.get());
}

TEST(LetterId, needs_no_escape_and_comes_back) {
  const Position source{{"chunks.g1", 2}, 17};
  EXPECT_EQ(letter_id(source), "chunks.g1~2~17");
  EXPECT_EQ(parse_letter_id("chunks.g1~2~17"), source);
  for (const char* wrong : {"", "a", "a~1", "~1~2", "a~~2", "a~1~", "a~1~-2", "a~1~2x", "a b~1~2",
                            "a~1~2~3", "a:1:2"}) {
    EXPECT_FALSE(parse_letter_id(wrong)) << wrong;
  }
}

TEST(LetterDocument, is_found_by_the_key_on_the_documents_way_only) {
  DeadLetter letter;
  letter.source = {{"embeddings.g3", 0}, 1};
  letter.source_key = std::string{
      "default/a/b\0r\0"
      "2",
      15};
  EXPECT_EQ(document_of(letter)->document_id, "a/b");
  EXPECT_EQ(document_of(letter)->collection, "default");
  for (const char* topic : {"queries", "searches.g1", "chunksg1", "index-states", ""}) {
    letter.source.source.topic = topic;
    EXPECT_FALSE(document_of(letter)) << topic;
  }
  letter.source.source.topic = "documents";
  for (const char* key : {"", "default", "default/", "Default/a", "/a", "default/\x01"}) {
    letter.source_key = key;
    EXPECT_FALSE(document_of(letter)) << key;
  }
}

}  // namespace
}  // namespace millrace
