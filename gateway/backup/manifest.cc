#include "gateway/backup/manifest.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>
#include <set>

#include "common/ids.h"
#include "common/json.h"
#include "schemas/codec.h"

namespace millrace {
namespace {

constexpr std::string_view kNameForm = "00000000T000000.000Z";
constexpr std::int64_t kPartitionsMax = 1024;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void write_source(json::Writer& out, const TopicPartition& source) {
  out.field("topic", source.topic).field("partition", source.partition);
}

void read_source(json::ObjectReader& in, TopicPartition& source) {
  in.required("topic", source.topic);
  read_integer(in, "partition", source.partition, 0, kPartitionsMax - 1);
}

void read_generation_numbers(json::ObjectReader& in, std::vector<int>& out) {
  const json::Value array = in.required_array("generations");
  for (std::size_t i = 0; array.exists() && i < array.size(); ++i) {
    const bool valid =
        array[i].is_integer() && array[i].as_integer() >= 1 && array[i].as_integer() <= kInt32Max;
    if (!valid) return in.fail("generations must be numbers from 1");
    out.push_back(static_cast<int>(array[i].as_integer()));
  }
}

bool is_sha256(std::string_view text) {
  constexpr std::size_t kDigits = 64;
  return text.size() == kDigits &&
         std::ranges::all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

// One part of a path: nothing that leads out of the backup.
bool is_file_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.front() != '.' &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

// What each member allows by itself, and all together cannot mean.
std::string contradiction(const Manifest& manifest) {
  const std::set<std::string> topics{manifest.topics.begin(), manifest.topics.end()};
  std::set<std::string> names;
  std::map<TopicPartition, Offset> behind;
  for (const BackupObject& each : manifest.objects) {
    if (!is_file_name(each.name) || !is_sha256(each.sha256))
      return "an object has a wrong name or hash";
    if (!names.insert(each.name).second) return "the object " + each.name + " is there twice";
    if (!topics.contains(each.source.topic)) return each.name + " is of a topic that is not listed";
    const auto [before, is_first] = behind.emplace(each.source, 0);
    if (each.first < before->second || each.last < each.first || each.records < 1 ||
        each.records > each.last - each.first + 1) {
      return "the offsets of " + each.name + " are out of order";
    }
    before->second = each.last + 1;
  }
  if (manifest.generations.empty()) return "it has no generation";
  for (const GroupPosition& each : manifest.groups) {
    if (!topics.contains(each.source.topic)) {
      return "the group " + each.group + " stands in a topic that is not listed";
    }
  }
  return {};
}

std::int64_t sum(const std::vector<BackupObject>& objects, std::int64_t BackupObject::*member) {
  return std::accumulate(
      objects.begin(), objects.end(), std::int64_t{0},
      [member](std::int64_t total, const BackupObject& each) { return total + each.*member; });
}

}  // namespace

std::int64_t Manifest::records() const { return sum(objects, &BackupObject::records); }
std::int64_t Manifest::bytes() const { return sum(objects, &BackupObject::bytes); }

std::string to_json(const Manifest& manifest) {
  json::Writer out;
  out.begin_object()
      .field("format", std::int32_t{Manifest::kFormat})
      .field("name", manifest.name)
      .field("millrace", manifest.millrace)
      .field("log", manifest.log);
  write_time(out, "began_at_ms", manifest.began_at);
  write_time(out, "ended_at_ms", manifest.ended_at);
  out.field("partitions", manifest.partitions).key("generations").begin_array();
  for (const int each : manifest.generations) out.value(std::int32_t{each});
  out.end_array().strings("topics", manifest.topics).key("groups").begin_array();
  for (const GroupPosition& each : manifest.groups) {
    out.begin_object().field("group", each.group);
    write_source(out, each.source);
    out.field("offset", each.offset).end_object();
  }
  out.end_array().key("objects").begin_array();
  for (const BackupObject& each : manifest.objects) {
    out.begin_object().field("name", each.name);
    write_source(out, each.source);
    out.field("first", each.first)
        .field("last", each.last)
        .field("records", each.records)
        .field("bytes", each.bytes)
        .field("sha256", each.sha256)
        .end_object();
  }
  out.end_array().end_object();
  return out.take();
}

std::string checksum_line(std::string_view manifest_json) {
  return sha256_hex(manifest_json) + "  " + std::string{Manifest::kFile} + "\n";
}

Result<Manifest> manifest_from(std::string_view text) {
  const auto document = json::Document::parse(text);
  if (!document) return document.error();
  json::ObjectReader in{document->root(), "manifest", json::ObjectReader::Unknown::ignore};
  std::int64_t format = 0;
  in.required("format", format);
  if (!in.failed() && format != Manifest::kFormat) {
    return rejected("the backup has format " + std::to_string(format) + "; this program reads " +
                    std::to_string(Manifest::kFormat) + ": use the version that wrote it");
  }
  Manifest manifest;
  in.required("name", manifest.name);
  in.required("millrace", manifest.millrace);
  in.required("log", manifest.log);
  read_time(in, "began_at_ms", manifest.began_at);
  read_time(in, "ended_at_ms", manifest.ended_at);
  read_integer(in, "partitions", manifest.partitions, 1, kPartitionsMax);
  read_generation_numbers(in, manifest.generations);
  in.required("topics", manifest.topics);
  read_objects(in, "groups", manifest.groups, [](json::ObjectReader& inner, GroupPosition& each) {
    inner.required("group", each.group);
    read_source(inner, each.source);
    read_integer(inner, "offset", each.offset, 0);
  });
  read_objects(in, "objects", manifest.objects, [](json::ObjectReader& inner, BackupObject& each) {
    inner.required("name", each.name);
    read_source(inner, each.source);
    read_integer(inner, "first", each.first, 0);
    read_integer(inner, "last", each.last, 0);
    read_integer(inner, "records", each.records, 1);
    read_integer(inner, "bytes", each.bytes, 1);
    inner.required("sha256", each.sha256);
  });
  if (!in.failed()) {
    if (std::string wrong = contradiction(manifest); !wrong.empty()) in.fail(std::move(wrong));
  }
  if (Status read = in.finish(); !read) return read.error();
  return manifest;
}

std::string backup_name(Clock::Wall time) {
  std::string name = format_time(time);
  std::erase_if(name, [](char c) { return c == '-' || c == ':'; });
  return name;
}

bool is_backup_name(std::string_view name) {
  return name.size() == kNameForm.size() &&
         std::ranges::equal(name, kNameForm, [](char given, char wanted) {
           return wanted == '0' ? is_digit(given) : given == wanted;
         });
}

Clock::Wall backup_time(std::string_view name) {
  if (!is_backup_name(name)) return {};
  const auto number = [name](std::size_t at, std::size_t digits) {
    unsigned value = 0;
    std::from_chars(name.data() + at, name.data() + at + digits, value);
    return value;
  };
  using namespace std::chrono;
  const year_month_day date{year{static_cast<int>(number(0, 4))}, month{number(4, 2)},
                            day{number(6, 2)}};
  if (!date.ok()) return {};
  return Clock::Wall{sys_days{date}} + hours{number(9, 2)} + minutes{number(11, 2)} +
         seconds{number(13, 2)} + milliseconds{number(16, 3)};
}

}  // namespace millrace
