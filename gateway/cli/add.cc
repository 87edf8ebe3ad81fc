#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gateway/cli/command.h"
#include "gateway/cli/files.h"
#include "gateway/cli/progress.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

struct AddCommand {
  ClientOptions client;
  std::vector<std::string> paths;
  bool no_wait = false;
};

// Uploads one file; its revision, or what is wrong with it.
Result<std::string> upload(const Client& client, const AddCommand& command, const FoundFile& file) {
  Result<std::string> content = read_file(file.path);
  if (!content) return content.error();
  HttpRequest request =
      client.collection_request("PUT", command.client.collection,
                                "/documents/" + percent_encode(file.document_id) +
                                    "?name=" + percent_encode(file.path.filename().string()));
  request.headers["Content-Type"] = std::string{media_type_of(file.path)};
  request.body = *std::move(content);
  Result<json::Document> accepted = client.call(std::move(request));
  if (!accepted) return accepted.error();
  const json::Value documents = accepted->root().member("documents");
  if (documents.size() != 1) return rejected("the server's answer names no document");
  return std::string{documents[0].member("revision").as_string()};
}

// Follows the collection's progress stream on a thread of its own, again where it breaks off, until
// all documents are settled or stop() is called.
class Follower {
 public:
  Follower(const Client& client, std::string collection, Progress& progress)
      : client_{client}, collection_{std::move(collection)}, progress_{progress} {
    thread_ = std::jthread{[this] { run(); }};
  }
  void stop() {
    asio::post(io_, [this] { stop_.emit(asio::cancellation_type::terminal); });
  }
  void join() { thread_.join(); }

 private:
  HttpRequest request() const {
    HttpRequest request = client_.collection_request("GET", collection_, "/events");
    request.headers["Accept"] = "text/event-stream";
    if (!last_id_.empty()) request.headers["Last-Event-ID"] = last_id_;
    return request;
  }

  void run() {
    while (!progress_.finished()) {
      EventStreamParser parser{[this](const ServerSentEvent& event) {
        last_id_ = event.id;
        progress_.on_event(event);
        return !progress_.finished();
      }};
      auto on_body = [&](std::string_view piece) {
        progress_.stream_is_open();
        return parser.feed(piece) && !progress_.finished();
      };
      std::optional<Result<HttpResponse>> response;
      asio::co_spawn(io_, http_exchange(request(), on_body),
                     asio::bind_cancellation_slot(
                         stop_.slot(), [&](const std::exception_ptr&, Result<HttpResponse> result) {
                           response = std::move(result);
                         }));
      io_.restart();
      io_.run();
      if (progress_.finished()) return;
      if (!response || !*response || (*response)->status / 100 != 2) {
        progress_.stream_failed(response && *response ? problem_error(**response)
                                : response            ? response->error()
                                                      : unavailable("the stream ended"));
        return;
      }
    }
  }

  const Client& client_;
  const std::string collection_;
  Progress& progress_;
  std::string last_id_;
  asio::io_context io_{1};
  asio::cancellation_signal stop_;
  std::jthread thread_;
};

// False: another file would be the same document, and the later one would replace it.
bool take(FoundFile file, std::vector<FoundFile>& files) {
  const auto same = std::ranges::find(files, file.document_id, &FoundFile::document_id);
  if (same == files.end()) {
    files.push_back(std::move(file));
    return true;
  }
  std::error_code error;
  if (std::filesystem::equivalent(same->path, file.path, error)) return true;  // said twice
  fail(rejected(file.path.string() + " is left out: it and " + same->path.string() +
                " would both be the document \"" + file.document_id +
                "\"; name a folder that has both"));
  return false;
}

std::vector<FoundFile> collect(const AddCommand& command, bool& complete) {
  std::vector<FoundFile> files;
  for (const std::string& path : command.paths) {
    Result<std::vector<FoundFile>> found = find_files(path);
    if (!found) {
      fail(found.error());
      complete = false;
      continue;
    }
    for (FoundFile& file : *found) complete = take(std::move(file), files) && complete;
  }
  return files;
}

ExitCode run_add(const AddCommand& command) {
  bool complete = true;
  const std::vector<FoundFile> files = collect(command, complete);
  if (files.empty()) return fail(rejected("no files to add"));
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());

  Progress progress{files.size()};
  std::optional<Follower> follower;
  if (!command.no_wait) {
    follower.emplace(*client, command.client.collection, progress);
    progress.wait_for_stream();
  }
  for (const FoundFile& file : files) {
    Result<std::string> revision = upload(*client, command, file);
    if (revision) {
      progress.accepted(*revision, file.document_id);
    } else {
      progress.refused(file.document_id, revision.error());
      if (revision.error().kind == Error::Kind::unavailable) break;
    }
  }
  progress.all_sent(command.no_wait);
  if (follower) {
    if (progress.finished()) follower->stop();
    follower->join();
  }
  return progress.summarize() && complete ? ExitCode::done : ExitCode::failed;
}

}  // namespace

void add_add_command(CLI::App& app, CommandRun& run) {
  auto command = std::make_shared<AddCommand>();
  CLI::App* sub = app.add_subcommand(
      "add", "Add files and folders; a file added before is replaced by its new revision");
  add_client_options(*sub, command->client);
  sub->add_option("path", command->paths, "files and folders (hidden files are passed over)")
      ->required();
  sub->add_flag("--no-wait", command->no_wait,
                "end when all is accepted, not when it is searchable");
  sub->callback([command, &run] { run = [command] { return run_add(*command); }; });
}

}  // namespace millrace
