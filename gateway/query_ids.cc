#include "gateway/query_ids.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>

#include "common/ids.h"
#include "schemas/query.h"

namespace millrace {
namespace {

constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kUlidLength = 26;
constexpr std::size_t kTimeLength = 10;
constexpr std::size_t kTagAt = 18;
// Each try fits its partition with a probability of about 1 - 1/e, so this many never all fail.
constexpr int kTriesMax = 64;

std::string tag_of(std::string_view first, std::string_view principal) {
  const std::string digest =
      sha256_hex("millrace query\n" + std::string{first} + "\n" + std::string{principal});
  const std::uint64_t bits = std::stoull(digest.substr(0, 10), nullptr, 16);  // 40 bits
  std::string tag;
  for (int shift = 35; shift >= 0; shift -= 5) {
    tag += kCrockford[static_cast<std::size_t>((bits >> static_cast<unsigned>(shift)) & 31U)];
  }
  return tag;
}

std::string tagged_ulid(const Clock& clock, std::string_view principal) {
  // The clock's part of a ULID; the random part is drawn anew, because ULIDs of one millisecond
  // differ in their last characters only, which the tag takes.
  std::string ulid = new_ulid(clock).substr(0, kTimeLength);
  thread_local std::random_device random;
  const std::uint64_t bits = (std::uint64_t{random()} << 32U) | random();
  for (unsigned i = 0; i < kTagAt - kTimeLength; ++i) {
    ulid += kCrockford[static_cast<std::size_t>((bits >> (5U * i)) & 31U)];
  }
  return ulid + tag_of(ulid, principal);
}

}  // namespace

std::string new_query_id(const Clock& clock, const AnswerHub& hub, std::string_view principal) {
  // The id names the end of its own partition, which depends on the whole id: look for one that
  // fits.
  Offset lowest = hub.position(0);
  for (std::int32_t p = 1; p < hub.partitions(); ++p) lowest = std::min(lowest, hub.position(p));
  std::string ulid;
  for (int i = 0; i < kTriesMax; ++i) {
    ulid = tagged_ulid(clock, principal);
    for (std::int32_t p = 0; p < hub.partitions(); ++p) {
      std::string id = query_id_for(ulid, hub.position(p));
      if (partition_for(id, hub.partitions()) == p) return id;
    }
  }
  return query_id_for(ulid, lowest);  // right for every partition, only slower to read again
}

bool is_query_id_of(std::string_view query_id, std::string_view principal) {
  if (answers_from(query_id) < 0 || query_id.size() < kUlidLength) return false;
  return constant_time_equal(query_id.substr(kTagAt, kUlidLength - kTagAt),
                             tag_of(query_id.substr(0, kTagAt), principal));
}

Clock::Wall query_id_time(std::string_view query_id) {
  return answers_from(query_id) < 0 ? Clock::Wall{} : ulid_time(query_id.substr(0, kUlidLength));
}

std::string query_ids_since(Clock::Wall time) {
  auto time_ms =
      static_cast<std::uint64_t>(std::max<Clock::Wall::rep>(time.time_since_epoch().count(), 0));
  std::string ids(kTimeLength, '0');
  for (std::size_t i = kTimeLength; i-- > 0; time_ms >>= 5U) ids[i] = kCrockford[time_ms & 31U];
  return ids;
}

Clock::Wall ulid_time(std::string_view ulid) {
  if (!is_ulid(ulid)) return {};
  std::int64_t time_ms = 0;
  for (const char c : ulid.substr(0, kTimeLength)) {
    const auto digit = kCrockford.find(c);
    if (digit == std::string_view::npos) return {};
    time_ms = time_ms * 32 + static_cast<std::int64_t>(digit);
  }
  return Clock::Wall{std::chrono::milliseconds{time_ms}};
}

}  // namespace millrace
