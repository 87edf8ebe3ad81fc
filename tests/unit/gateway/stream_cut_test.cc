// A query's stream, cut after every event and resumed: the rest comes, nothing lost or repeated.
#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "fixture.h"
#include "gateway/answer_hub.h"
#include "gateway/http_types.h"
#include "gateway/query_ids.h"

namespace millrace {
namespace {

using ::testing::Eq;

constexpr int kDeltas = 6;

class StreamCut : public GatewayTest {
 protected:
  // A query that nobody answers but this test.
  std::string ask() {
    const auto asked = post("/v1/collections/default/queries", R"({"question":"why?"})");
    EXPECT_EQ(asked.status, 202U) << asked.body;
    return text_member(asked.body, "id");
  }
  std::string path(const std::string& id) { return "/v1/queries/" + id + "/events"; }

  std::vector<std::string> names_and_data(const std::vector<ServerSentEvent>& events,
                                          std::size_t from = 0) {
    std::vector<std::string> out;
    for (std::size_t i = from; i < events.size(); ++i) {
      out.push_back(events[i].id + " " + events[i].event + " " + events[i].data);
    }
    return out;
  }

  void resume_after_every_event(const std::string& id, std::size_t count) {
    const auto whole = stream(path(id));
    ASSERT_EQ(whole.size(), count);
    for (std::size_t cut = 0; cut < count; ++cut) {
      SCOPED_TRACE(cut);
      const auto head = stream(
          path(id), {}, [&](const ServerSentEvent& event) { return event.id == whole[cut].id; });
      EXPECT_EQ(head.size(), cut + 1);
      const auto rest = stream(path(id), head.back().id);
      EXPECT_THAT(names_and_data(rest), Eq(names_and_data(whole, cut + 1)));
    }
  }
};

TEST_F(StreamCut, resumes_after_every_event_out_of_the_ring) {
  start();
  const std::string id = ask();
  const auto events = answer_events(id, kDeltas);
  for (const AnswerEvent& event : events) append(to_record(event));
  resume_after_every_event(id, events.size());
}

TEST_F(StreamCut, resumes_after_every_event_out_of_the_log) {
  options().replay_bytes_max = 1;  // the ring keeps nothing
  start();
  const std::string id = ask();
  const auto events = answer_events(id, kDeltas);
  for (const AnswerEvent& event : events) append(to_record(event));
  resume_after_every_event(id, events.size());
}

TEST_F(StreamCut, resumes_on_another_gateway) {
  start();
  const std::string id = ask();
  const auto events = answer_events(id, kDeltas);
  for (const AnswerEvent& event : events) append(to_record(event));
  ASSERT_EQ(stream(path(id)).size(), events.size());
  restart();
  resume_after_every_event(id, events.size());
}

TEST_F(StreamCut, goes_on_live_where_the_cut_was) {
  start();
  const std::string id = ask();
  const auto events = answer_events(id, kDeltas);
  std::string last;
  for (std::size_t cut = 0; cut < events.size(); ++cut) {
    append(to_record(events[cut]));
    const auto seen = stream(path(id), last, [](const ServerSentEvent&) { return true; });
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].event, to_string(events[cut].type));
    EXPECT_EQ(seen[0].data, client_json(events[cut]));
    last = seen[0].id;
  }
}

// An answerer dies after three events; another begins anew while the first one's last words and
// repetitions still arrive.
TEST_F(StreamCut, drops_what_a_dead_attempt_still_says) {
  for (const std::size_t replay : {std::size_t{1} << 20U, std::size_t{1}}) {
    options().replay_bytes_max = replay;
    if (replay > 1) {
      start();
    } else {
      restart();
    }
    const std::string id = ask();
    const auto first = answer_events(id, kDeltas);
    auto second = answer_events(id, 2);
    second[0].type = AnswerEvent::Type::reset;
    second[0].reason = "taken over";
    for (AnswerEvent& event : second) event.attempt = 2;
    append(to_record(first[0]));
    append(to_record(first[1]));
    append(to_record(first[2]));
    append(to_record(first[2]));  // repeated
    append(to_record(second[0]));
    append(to_record(first[3]));  // late
    append(to_record(second[1]));
    append(to_record(second[1]));  // repeated
    for (std::size_t i = 2; i < second.size(); ++i) append(to_record(second[i]));
    append(to_record(second.back()));  // repeated after the end
    const auto whole = stream(path(id));
    std::vector<std::string> names;
    for (const auto& event : whole) names.push_back(event.event);
    EXPECT_THAT(names, Eq(std::vector<std::string>{"started", "passages", "delta", "reset",
                                                   "passages", "delta", "delta", "completed"}));
    resume_after_every_event(id, whole.size());
  }
}

TEST_F(StreamCut, ends_with_the_transcript_when_the_events_are_gone) {
  start();
  const std::string id = ask();
  Transcript transcript;
  transcript.query.query_id = id;
  transcript.query.collection = "default";
  transcript.query.question = "why?";
  transcript.outcome = "completed";
  transcript.answer = answer_events(id, 1).back().answer;
  append(to_record(transcript));
  while (text_member(get("/v1/queries/" + id).body, "state") != "completed") {
  }
  const auto events = stream(path(id));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].event, "completed");
}

TEST_F(StreamCut, cuts_off_a_client_that_falls_behind) {
  auto hub = AnswerHub::start(log(), system_clock(), {2, 1U << 20U}, metrics_);
  ASSERT_TRUE(hub);
  net::io_context io;
  const std::string id = new_query_id(system_clock(), **hub, "");
  const auto subscription = (*hub)->subscribe(id, answers_from(id), io.get_executor());
  const auto other = (*hub)->subscribe("somebody else's", 0, io.get_executor());
  for (const AnswerEvent& event : answer_events(id, 3)) append(to_record(event));
  while ((*hub)->position(subscription.partition) < 6) {
  }
  auto slow =
      net::co_spawn(io, subscription.live->receive(std::chrono::seconds{5}), net::use_future);
  auto idle = net::co_spawn(io, other.live->receive(std::chrono::seconds{0}), net::use_future);
  io.run();
  EXPECT_EQ(slow.get().reason, "slow_client");
  EXPECT_FALSE(idle.get().closed);
  // Coming back, it finds everything.
  EXPECT_EQ((*hub)->subscribe(id, answers_from(id), io.get_executor()).recent.size(), 6U);
  (*hub)->unsubscribe(id, subscription.live);
}

TEST_F(StreamCut, refuses_a_last_event_id_of_another_stream) {
  start();
  const std::string id = ask();
  const std::int32_t partition = partition_for(id, 3);
  const std::string other = std::to_string((partition + 1) % 3) + ":0";
  EXPECT_EQ(get("/v1/queries/" + id + "/events?last_event_id=" + other).status, 400U);
}

TEST_F(StreamCut, ends_open_streams_with_a_reason_when_the_gateway_stops) {
  start();
  const std::string id = ask();
  append(to_record(answer_events(id, 1)[0]));
  std::jthread stopper;
  const auto events = stream(path(id), {}, [&](const ServerSentEvent& event) {
    if (event.event == "started") {
      stopper = std::jthread{[this] { gateway().stop(std::chrono::seconds{5}); }};
    }
    return false;
  });
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1].event, "closed");
  EXPECT_EQ(text_member(events[1].data, "reason"), "shutting_down");
}

}  // namespace
}  // namespace millrace
