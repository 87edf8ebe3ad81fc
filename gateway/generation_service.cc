#include "gateway/generation_service.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/logging.h"
#include "gateway/document_json.h"
#include "gateway/mailbox.h"
#include "gateway/stored_event.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

using State = Generation::State;

Problem unknown_generation(const Collection& collection, int number) {
  std::string there;
  for (const Generation& each : collection.generations) {
    there.append(there.empty() ? "" : ", ").append(std::to_string(each.number));
  }
  if (there.empty()) there = std::to_string(collection.generation);
  return not_found("the collection \"" + collection.name + "\" has no generation " +
                   std::to_string(number) + "; it has " + there);
}

std::string named(const Generation& generation) {
  return "generation " + std::to_string(generation.number);
}

// With the one that answers among its generations.
Collection with_generations(Collection collection) {
  if (!collection.generations.empty()) return collection;
  collection.generations.push_back(
      {collection.generation, State::serving, {}, collection.created_at});
  return collection;
}

std::vector<std::string> model_names(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{folder, error}) {
    std::string name = entry.path().filename().string();
    const bool is_model = std::filesystem::exists(entry.path() / "tokenizer.json", error);
    if (is_model && valid_model_name(name)) names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

// Blocks: looks at every document of the collection.
GenerationView count(const Table& table, const Collection& collection, Generation generation) {
  GenerationView view;
  view.generation = std::move(generation);
  for_each_document(table, collection.name, [&](const Table::Row& row) {
    const auto own = stored_document_head(row.value, view.generation.number);
    const auto serving = stored_document_head(row.value, collection.generation);
    if (!own || !serving) return;
    if (own->state == DocumentProgress::State::indexed) {
      ++view.documents;
      view.chunks += own->chunks;
    }
    if (own->state == DocumentProgress::State::failed) ++view.failed;
    if (is_final(serving->state) && !is_final(own->state)) ++view.behind;
  });
  return view;
}

}  // namespace

// Holds a collection as long as it is being changed.
class LogGenerationService::Change {
 public:
  Change(LogGenerationService& service, const std::string& name) : service_{service}, name_{name} {
    const std::lock_guard lock{service_.mutex_};
    held_ = service_.changing_.insert(name_).second;
  }
  ~Change() {
    if (!held_) return;
    const std::lock_guard lock{service_.mutex_};
    service_.changing_.erase(name_);
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  // The collection as it is, with the one that answers among its generations.
  Reply<Collection> collection() const {
    if (!held_) return conflict("the collection \"" + name_ + "\" is being changed; try again");
    auto found = find_collection(service_.backend_, name_);
    if (!found) return unknown_collection(name_);
    return with_generations(std::move(*found));
  }

 private:
  LogGenerationService& service_;
  const std::string name_;
  bool held_ = false;
};

net::awaitable<GenerationView> LogGenerationService::view(const Collection& collection,
                                                          Generation generation) {
  auto work = [&table = backend_.documents, &collection, &generation] {
    return count(table, collection, generation);
  };
  co_return co_await run_blocking(backend_.pool, std::move(work));
}

net::awaitable<Reply<std::vector<GenerationView>>> LogGenerationService::list(const Caller&,
                                                                              std::string name) {
  using Views = Reply<std::vector<GenerationView>>;
  auto found = find_collection(backend_, name);
  if (!found) co_return Views{unknown_collection(name)};
  const Collection collection = with_generations(std::move(*found));
  std::vector<GenerationView> views;
  for (const Generation& each : collection.generations) {
    views.push_back(co_await view(collection, each));
  }
  co_return Views{std::move(views)};
}

net::awaitable<Reply<GenerationView>> LogGenerationService::get(const Caller&, std::string name,
                                                                int number) {
  auto found = find_collection(backend_, name);
  if (!found) co_return Reply<GenerationView>{unknown_collection(name)};
  const Collection collection = with_generations(std::move(*found));
  const Generation* wanted = collection.find(number);
  if (wanted == nullptr) co_return Reply<GenerationView>{unknown_generation(collection, number)};
  co_return co_await view(collection, *wanted);
}

// No number comes twice, as folders and consumer groups of an earlier one might still be somewhere:
// the record that names it will stand at or behind the end as it is now. In a log that was restored
// from a backup offsets have begun anew, so what is there counts too.
net::awaitable<Reply<int>> LogGenerationService::next_number() {
  auto work = [&log = backend_.log]() -> Result<int> {
    const auto end = log.end_offset({std::string{topics::kCollections}, 0});
    if (!end) return end.error();
    const auto names = log.topics();
    if (!names) return names.error();
    int highest = static_cast<int>(*end) + 1;
    for (const std::string& name : *names) highest = std::max(highest, generation_of_topic(name));
    return highest + 1;
  };
  const Result<int> number = co_await run_blocking(backend_.pool, std::move(work));
  if (!number) co_return Reply<int>{problem_from(number.error())};
  co_return Reply<int>{*number};
}

std::optional<Problem> LogGenerationService::check_model(const GenerationSettings& settings) const {
  if (!settings.embedding_model) return std::nullopt;
  const std::filesystem::path& folder = backend_.options.models_dir;
  if (folder.empty()) {
    return bad_field("embedding_model", "is the name of a folder in models_dir, which is not set");
  }
  const std::vector<std::string> known = model_names(folder);
  if (std::ranges::find(known, *settings.embedding_model) != known.end()) return std::nullopt;
  std::string names;
  for (const std::string& each : known) names.append(names.empty() ? "" : ", ").append(each);
  return bad_field("embedding_model", "is no folder of a model in models_dir; there " +
                                          (names.empty() ? "is none" : "are: " + names));
}

// Where the workers have a disk of their own they look at it themselves.
std::optional<Problem> LogGenerationService::check_room() const {
  std::error_code error;
  const auto space = std::filesystem::space(backend_.options.data_dir, error);
  const std::uint64_t reserve = backend_.options.generation_disk_reserve;
  if (error || space.available >= reserve) return std::nullopt;
  return no_room("the disk has " + std::to_string(space.available >> 20U) +
                 " MiB left, and a generation is built only while there are " +
                 std::to_string(reserve >> 20U) +
                 " MiB (generation_disk_reserve_bytes); make room first");
}

net::awaitable<Status> LogGenerationService::make_topics(int number) {
  co_return co_await run_blocking(backend_.pool, [&log = backend_.log, number]() -> Status {
    const Result<std::int32_t> partitions = log.partitions(topics::kTexts);
    if (!partitions) return partitions.error();
    return log.create_topics(generation_topic_specs(*partitions, number));
  });
}

net::awaitable<Reply<Generation>> LogGenerationService::put(const Caller& caller,
                                                            Collection collection, int number) {
  // As it was before there was another one.
  const bool alone = collection.generations.size() == 1 && collection.generation == 1;
  const Generation* kept = collection.find(number);
  const Generation told = kept != nullptr ? *kept : Generation{.number = number};
  if (alone) collection.generations.clear();
  std::vector<Record> records;
  records.push_back(to_record(collection));
  records.back().set_header(headers::kTraceparent, caller.traceparent);
  const auto positions = co_await backend_.appender.append(std::move(records));
  if (!positions) co_return Reply<Generation>{problem_from(positions.error())};
  const Position& at = positions->front();
  const std::string name = collection.name;
  backend_.recent_collections.remember(name, std::move(collection),
                                       {at.source.partition, at.offset});
  co_return Reply<Generation>{told};
}

net::awaitable<Reply<Generation>> LogGenerationService::build(const Caller& caller,
                                                              std::string name,
                                                              GenerationSettings settings) {
  const Change change{*this, name};
  Reply<Collection> collection = change.collection();
  if (!collection) co_return Reply<Generation>{collection.error()};
  for (const Generation& each : collection->generations) {
    if (each.state != State::building && each.state != State::paused) continue;
    co_return Reply<Generation>{
        conflict("the collection \"" + name + "\" is being re-indexed already: " + named(each) +
                 " is " + std::string{to_string(each.state)} + "; serve it or remove it first")};
  }
  if (collection->generations.size() >= Collection::kGenerationsMax) {
    co_return Reply<Generation>{conflict(
        "the collection \"" + name + "\" has " + std::to_string(collection->generations.size()) +
        " generations, which is the most; remove one that is kept first")};
  }
  if (const auto problem = check_model(settings)) co_return Reply<Generation>{*problem};
  if (const auto problem = check_room()) co_return Reply<Generation>{*problem};
  const Reply<int> number = co_await next_number();
  if (!number) co_return Reply<Generation>{number.error()};
  if (const Status made = co_await make_topics(*number); !made) {
    co_return Reply<Generation>{problem_from(made.error())};
  }
  collection->generations.push_back(
      {*number, State::building, settings, backend_.clock.wall_now()});
  std::ranges::sort(collection->generations, {}, &Generation::number);
  co_return co_await put(caller, std::move(*collection), *number);
}

net::awaitable<Reply<Generation>> LogGenerationService::serve(const Caller& caller,
                                                              std::string name, int number,
                                                              bool force) {
  const Change change{*this, name};
  Reply<Collection> collection = change.collection();
  if (!collection) co_return Reply<Generation>{collection.error()};
  Generation* wanted = collection->find(number);
  if (wanted == nullptr) co_return Reply<Generation>{unknown_generation(*collection, number)};
  if (wanted->state == State::serving) co_return Reply<Generation>{*wanted};
  if (wanted->state == State::paused) {
    co_return Reply<Generation>{conflict(named(*wanted) + " is paused; resume it first")};
  }
  if (!force) {
    const GenerationView now = co_await view(*collection, *wanted);
    if (now.behind > 0) {
      co_return Reply<Generation>{
          conflict(named(*wanted) + " is not complete: " + std::to_string(now.behind) +
                   " documents are still to be indexed; wait for them, or send {\"force\": true}")};
    }
  }
  const Clock::Wall now = backend_.clock.wall_now();
  Generation* before = collection->find(collection->generation);
  before->state = State::kept;
  before->since = now;
  wanted->state = State::serving;
  wanted->since = now;
  collection->generation = number;
  co_return co_await put(caller, std::move(*collection), number);
}

net::awaitable<Reply<Generation>> LogGenerationService::turn(const Caller& caller, std::string name,
                                                             int number, State from, State to) {
  const Change change{*this, name};
  Reply<Collection> collection = change.collection();
  if (!collection) co_return Reply<Generation>{collection.error()};
  Generation* wanted = collection->find(number);
  if (wanted == nullptr) co_return Reply<Generation>{unknown_generation(*collection, number)};
  if (wanted->state == to) co_return Reply<Generation>{*wanted};
  if (wanted->state != from) {
    co_return Reply<Generation>{conflict(named(*wanted) + " is " +
                                         std::string{to_string(wanted->state)} + ", not " +
                                         std::string{to_string(from)})};
  }
  wanted->state = to;
  wanted->since = backend_.clock.wall_now();
  co_return co_await put(caller, std::move(*collection), number);
}

net::awaitable<Reply<Generation>> LogGenerationService::pause(const Caller& caller,
                                                              std::string name, int number) {
  co_return co_await turn(caller, std::move(name), number, State::building, State::paused);
}

net::awaitable<Reply<Generation>> LogGenerationService::resume(const Caller& caller,
                                                               std::string name, int number) {
  co_return co_await turn(caller, std::move(name), number, State::paused, State::building);
}

net::awaitable<Reply<Generation>> LogGenerationService::remove(const Caller& caller,
                                                               std::string name, int number) {
  const Change change{*this, name};
  Reply<Collection> collection = change.collection();
  if (!collection) co_return Reply<Generation>{collection.error()};
  const Generation* wanted = collection->find(number);
  if (wanted == nullptr) co_return Reply<Generation>{unknown_generation(*collection, number)};
  if (wanted->state == State::serving) {
    co_return Reply<Generation>{
        conflict(named(*wanted) + " answers the collection's queries; serve another one first")};
  }
  const Generation gone = *wanted;
  std::erase_if(collection->generations,
                [number](const Generation& each) { return each.number == number; });
  const Reply<Generation> stored = co_await put(caller, std::move(*collection), number);
  if (!stored) co_return Reply<Generation>{stored.error()};
  co_return Reply<Generation>{gone};
}

}  // namespace millrace
