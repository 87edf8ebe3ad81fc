#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "gateway/cli/command.h"
#include "gateway/cli/index_line.h"
#include "gateway/erasures.h"

namespace millrace {
namespace {

constexpr std::chrono::milliseconds kLookInterval{1'000};
constexpr std::chrono::minutes kCheckSilenceMax{60};  // while the server reads everything it has
constexpr std::int64_t kSamples = 4;                  // of a document's text, for --verify
constexpr std::int64_t kSampleCharacters = 96;

struct EraseCommand {
  ClientOptions client;
  std::vector<std::string> ids;
  bool verify = false;
  bool no_wait = false;
  std::int64_t timeout_seconds = 0;  // 0: none
};

struct ErasedDocument {
  std::string id;
  std::string state;
  std::string deleted_at;
  std::string erased_at;
};

std::string document_path(const std::string& id) { return "/documents/" + percent_encode(id); }

bool is_gone(const std::string& state) { return state == "deleted" || state == "erased"; }

// The longest part that stands in JSON as it stands in the text.
std::string_view plain_part(std::string_view text) {
  std::string_view best;
  for (std::size_t at = 0; at < text.size();) {
    const auto is_plain = [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\' && c != '/' &&
             static_cast<unsigned char>(c) < 0x7f;
    };
    std::size_t end = at;
    while (end < text.size() && is_plain(text[end])) ++end;
    if (end - at > best.size()) best = text.substr(at, end - at);
    at = end + 1;
  }
  return best.substr(0, ErasureQuestion::kTextBytesMax);
}

class EraseRun {
 public:
  EraseRun(const Client& client, const EraseCommand& command)
      : client_{client}, command_{command} {}

  ExitCode run();

 private:
  Result<json::Document> call(const std::string& method, const std::string& below,
                              const std::string& body = {}) const {
    return client_.call(
        client_.collection_request(method, command_.client.collection, below, body));
  }
  Status look();                        // at the documents' states
  Status remember(std::size_t number);  // what a document says, to look for it afterwards
  void remember_text(const std::string& id, std::string_view text);
  void remember_strings(const std::string& id, json::Value value);
  Status remove();
  Status wait();
  Status check();
  bool all_erased() const {
    return std::ranges::all_of(documents_, [](const auto& e) { return e.state == "erased"; });
  }
  void print() const;
  void print_json() const;

  const Client& client_;
  const EraseCommand& command_;
  std::vector<ErasedDocument> documents_;
  std::set<std::string> texts_;
  std::optional<json::Document> found_;
};

Status EraseRun::look() {
  documents_.clear();
  for (const std::string& id : command_.ids) {
    const auto status = call("GET", document_path(id));
    if (!status) return with_context(id, status.error());
    const json::Value root = status->root();
    ErasedDocument& document = documents_.emplace_back();
    document.id = id;
    document.state = root.member("state").as_string();
    const json::Value removal = root.member("removal");
    if (removal.is_bool() && removal.as_bool()) {
      document.deleted_at = root.member("accepted_at").as_string();
    }
    if (document.state == "erased") document.erased_at = root.member("updated_at").as_string();
  }
  return {};
}

void EraseRun::remember_text(const std::string& id, std::string_view text) {
  const std::string_view plain = plain_part(text);
  const bool is_id = id.find(plain) != std::string::npos;  // which stays
  const bool is_enough = texts_.size() == ErasureQuestion::kTextsMax;
  if (plain.size() >= ErasureQuestion::kTextBytesMin && !is_id && !is_enough) {
    texts_.emplace(plain);
  }
}

void EraseRun::remember_strings(const std::string& id, json::Value value) {
  if (value.is_string()) remember_text(id, value.as_string());
  for (std::size_t i = 0; value.is_array() && i < value.size(); ++i) {
    remember_strings(id, value[i]);
  }
  for (std::size_t i = 0; value.is_object() && i < value.size(); ++i) {
    remember_strings(id, value.member_at(i).value);
  }
}

Status EraseRun::remember(std::size_t number) {
  const std::string& id = documents_[number].id;
  if (is_gone(documents_[number].state)) return {};
  const auto status = call("GET", document_path(id));
  if (!status) return with_context(id, status.error());
  for (const char* name : {"title", "name", "metadata"}) {
    remember_strings(id, status->root().member(name));
  }
  const auto text = call("GET", document_path(id) + "/text?start=0&end=1&context=0");
  if (!text) return {};  // it failed: there is none
  const std::int64_t characters = text->root().member("characters").as_integer();
  for (std::int64_t i = 0; i < kSamples; ++i) {
    const std::int64_t start = characters * i / kSamples;
    const std::int64_t end = std::min(characters, start + kSampleCharacters);
    if (start >= end) continue;
    const auto sample = call("GET", document_path(id) + "/text?start=" + std::to_string(start) +
                                        "&end=" + std::to_string(end) + "&context=0");
    if (!sample) return with_context(id, sample.error());
    remember_text(id, sample->root().member("text").as_string());
  }
  return {};
}

Status EraseRun::remove() {
  for (const ErasedDocument& each : documents_) {
    if (!each.deleted_at.empty()) continue;
    const auto removed = call("DELETE", document_path(each.id));
    if (!removed) return with_context(each.id, removed.error());
  }
  return {};
}

Status EraseRun::wait() {
  const Clock& clock = system_clock();
  const Clock::Steady began = clock.now();
  for (;;) {
    if (Status looked = look(); !looked) return looked;
    if (all_erased() || command_.no_wait) return {};
    const std::chrono::seconds limit{command_.timeout_seconds};
    if (limit.count() > 0 && clock.now() - began >= limit) return {};
    clock.sleep_for(kLookInterval, {});
  }
}

Status EraseRun::check() {
  json::Writer body;
  body.begin_object()
      .strings("documents", command_.ids)
      .strings("texts", {texts_.begin(), texts_.end()})
      .end_object();
  HttpRequest request =
      client_.collection_request("POST", command_.client.collection, "/erasure-check", body.take());
  request.idle_timeout = kCheckSilenceMax;
  auto found = client_.call(std::move(request));
  if (!found) return found.error();
  found_ = std::move(*found);
  return {};
}

void EraseRun::print() const {
  std::printf("%-40s %-9s %-24s %s\n", "document", "state", "deleted", "erased");
  for (const ErasedDocument& each : documents_) {
    std::printf("%-40s %-9s %-24s %s\n", printable(each.id).c_str(), printable(each.state).c_str(),
                printable(each.deleted_at).c_str(), printable(each.erased_at).c_str());
  }
  if (!found_) return;
  const json::Value found = found_->root();
  std::printf(
      "\nlooked for %zu documents and %zu texts of them in %lld records (%lld bytes) of "
      "every topic and %lld files (%lld bytes)\n",
      command_.ids.size(), texts_.size(), static_cast<long long>(count_of(found, "records")),
      static_cast<long long>(count_of(found, "record_bytes")),
      static_cast<long long>(count_of(found, "files")),
      static_cast<long long>(count_of(found, "file_bytes")));
  if (const std::size_t shared = found.member("said_by_others").size(); shared > 0) {
    std::printf("%zu texts stand in other documents too, and prove nothing\n", shared);
  }
  const json::Value traces = found.member("traces");
  for (std::size_t i = 0; i < traces.size(); ++i) {
    std::printf("  FOUND %s in %s at %s\n", printable(traces[i].member("what").as_string()).c_str(),
                printable(traces[i].member("place").as_string()).c_str(),
                printable(traces[i].member("at").as_string()).c_str());
  }
  const std::int64_t total = count_of(found, "traces_total");
  std::printf(total == 0 ? "found nothing\n" : "found %lld traces\n",
              static_cast<long long>(total));
}

void EraseRun::print_json() const {
  json::Writer out;
  out.begin_object().field("collection", command_.client.collection);
  out.key("documents").begin_array();
  for (const ErasedDocument& each : documents_) {
    out.begin_object().field("id", each.id).field("state", each.state);
    if (!each.deleted_at.empty()) out.field("deleted_at", each.deleted_at);
    if (!each.erased_at.empty()) out.field("erased_at", each.erased_at);
    out.end_object();
  }
  out.end_array().field("erased", all_erased());
  if (found_) {
    const json::Value clean = found_->root().member("clean");
    out.field("verified", clean.is_bool() && clean.as_bool());
    out.field("texts", static_cast<std::int64_t>(texts_.size()));
    out.key("check").raw(found_->root().serialize());
  }
  out.end_object();
  std::cout << out.take() << '\n';
}

ExitCode EraseRun::run() {
  if (Status looked = look(); !looked) return fail(looked.error());
  for (std::size_t i = 0; command_.verify && i < documents_.size(); ++i) {
    if (Status known = remember(i); !known) return fail(known.error());
  }
  if (Status removed = remove(); !removed) return fail(removed.error());
  if (Status waited = wait(); !waited) return fail(waited.error());
  const bool is_checked = command_.verify && all_erased();
  if (is_checked) {
    if (Status checked = check(); !checked) return fail(checked.error());
  }
  command_.client.json ? print_json() : print();
  if (!all_erased() && !command_.no_wait) {
    return fail(unavailable("not all of them are erased yet; run it again to go on waiting"));
  }
  if (!is_checked) return ExitCode::done;
  return count_of(found_->root(), "traces_total") == 0 ? ExitCode::done : ExitCode::failed;
}

ExitCode run_erase(const EraseCommand& command) {
  if (command.verify && command.no_wait) {
    fail(rejected("--verify has to wait: leave out --no-wait"));
    return ExitCode::usage;
  }
  const Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  return EraseRun{*client, command}.run();
}

}  // namespace

void add_erase_command(CLI::App& app, CommandRun& run) {
  auto command = std::make_shared<EraseCommand>();
  CLI::App* sub = app.add_subcommand(
      "erase", "Delete documents and wait until no byte of them is left, or prove it");
  sub->add_option("collection", command->client.collection, "The documents' collection")
      ->required();
  sub->add_option("id", command->ids, "Ids of documents")
      ->required()
      ->expected(1, static_cast<int>(ErasureQuestion::kDocumentsMax));
  add_connection_options(*sub, command->client);
  sub->add_flag("--verify", command->verify,
                "look for them in every record and file of the server; exit 1 if anything is left");
  sub->add_flag("--no-wait", command->no_wait, "only delete them, and show how far that is");
  sub->add_option("--timeout", command->timeout_seconds,
                  "seconds to wait; 0: as long as it takes (the setting erase_within_ms) [0]")
      ->check(CLI::NonNegativeNumber);
  sub->add_flag("--json", command->client.json, "print JSON");
  sub->callback([command, &run] { run = [command] { return run_erase(*command); }; });
}

}  // namespace millrace
