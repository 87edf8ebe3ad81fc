#include <CLI/CLI.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <iostream>
#include <memory>
#include <optional>

#include "gateway/cli/command.h"
#include "gateway/cli/question.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

struct AskCommand {
  ClientOptions client;
  std::string question;
  std::int64_t top_k = 0;  // 0: the server's default
  QuestionOptions options;
};

// What the stream of one question has said so far.
struct AnswerStream {
  bool json = false;
  bool explain = false;
  std::string query_id;
  std::string explained;  // the passages with their scores
  bool printed = false;
  bool finished = false;
  std::string failure;
};

void print_citations(json::Value completed) {
  const json::Value citations = completed.member("citations");
  if (citations.size() != 0) std::cout << "\nSources\n";
  for (std::size_t i = 0; i < citations.size(); ++i) {
    const json::Value each = citations[i];
    std::cout << "  [" << each.member("number").as_integer() << "] "
              << printable(each.member("title").as_string()) << " ("
              << printable(each.member("document_id").as_string()) << ", revision "
              << printable(each.member("revision").as_string());
    if (each.member("page").exists()) std::cout << ", page " << each.member("page").as_integer();
    std::cout << ", characters " << each.member("start").as_integer() << "-"
              << each.member("end").as_integer() << ")\n      \""
              << printable(each.member("quote").as_string()) << "\"\n";
  }
  std::cout << "\n"
            << printable(completed.member("model").as_string()) << ", confidence "
            << static_cast<int>(completed.member("confidence").as_double() * 100) << "%, "
            << completed.member("took_ms").as_integer() << " ms";
  if (completed.member("partial").as_bool()) std::cout << ", from part of the index only";
  if (completed.member("needs_human_review").as_bool()) std::cout << ", worth checking by a person";
  std::cout << std::endl;
}

void explain(AnswerStream& stream, json::Value root) {
  if (stream.json) {
    std::cout << root.serialize() << std::endl;
    return;
  }
  const json::Value passages = root.member("passages");
  stream.explained = "\nPassages\n";  // of an earlier attempt: forgotten
  if (!passages.is_array()) return;
  for (std::size_t i = 0; i < passages.size(); ++i) {
    stream.explained += passage_heading(i + 1, passages[i]) + "\n";
  }
}

// False when the stream has ended.
bool show(AnswerStream& stream, const ServerSentEvent& event) {
  Result<json::Document> data = json::Document::parse(event.data);
  if (!data) {
    stream.failure = "the server sent an event that is not JSON: " + data.error().message;
    return false;
  }
  const json::Value root = data->root();
  if (root.member("query_id").is_string()) stream.query_id = root.member("query_id").as_string();
  if (event.event == "passages" && stream.explain) {
    explain(stream, root);
  } else if (event.event == "delta" && !stream.json) {
    std::cout << printable(root.member("text").as_string()) << std::flush;
    stream.printed = true;
  } else if (event.event == "reset" && stream.printed) {
    std::cout << "\n[the answer starts again: " << printable(root.member("reason").as_string())
              << "]\n";
  } else if (event.event == "completed") {
    stream.finished = true;
    if (stream.json) {
      std::cout << root.serialize() << std::endl;
    } else {
      std::cout << '\n';
      print_citations(root);
      std::cout << stream.explained << "\nQuery " << printable(stream.query_id) << std::endl;
    }
    return false;
  } else if (event.event == "failed") {
    stream.failure = std::string{root.member("message").as_string()};
    return false;
  }
  return true;
}

void cancel_query(const Client& client, const std::string& query_id) {
  if (query_id.empty()) return;
  Result<HttpResponse> ignored =
      http_exchange_blocking(client.request("DELETE", "/v1/queries/" + query_id));
  if (!ignored) std::cerr << "millrace: could not cancel: " << ignored.error().message << '\n';
}

HttpRequest ask_request(const Client& client, const AskCommand& command) {
  json::Writer body;
  body.begin_object().field("question", command.question);
  if (command.top_k != 0) body.field("top_k", command.top_k);
  write_members(body, command.options);
  HttpRequest request = client.collection_request("POST", command.client.collection, "/queries",
                                                  body.end_object().take());
  request.headers["Accept"] = "text/event-stream";
  return request;
}

ExitCode run_ask(const AskCommand& command) {
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  AnswerStream stream;
  stream.json = command.client.json;
  stream.explain = command.options.explain;
  EventStreamParser parser{[&stream](const ServerSentEvent& event) { return show(stream, event); }};
  std::string problem;  // the body, when it is not an event stream

  asio::io_context io;
  asio::cancellation_signal stop;
  asio::signal_set signals{io, SIGINT, SIGTERM};
  bool cancelled = false;
  signals.async_wait([&](boost::system::error_code error, int) {
    if (error) return;
    cancelled = true;
    stop.emit(asio::cancellation_type::terminal);
  });
  std::optional<Result<HttpResponse>> response;
  auto on_body = [&](std::string_view piece) {
    if (problem.size() < 65536) problem.append(piece.substr(0, 65536 - problem.size()));
    return parser.feed(piece);
  };
  asio::co_spawn(io, http_exchange(ask_request(*client, command), on_body),
                 asio::bind_cancellation_slot(
                     stop.slot(), [&](const std::exception_ptr&, Result<HttpResponse> result) {
                       response = std::move(result);
                       signals.cancel();
                     }));
  io.run();
  if (cancelled) {
    cancel_query(*client, stream.query_id);
    return fail(rejected("cancelled"));
  }
  if (stream.finished) return ExitCode::done;
  if (!stream.failure.empty()) return fail(unavailable(stream.failure));
  if (response && *response && (*response)->status / 100 != 2) {
    (*response)->body = problem;
    return fail(problem_error(**response));
  }
  if (response && !*response) return fail(response->error());
  return fail(unavailable("the stream ended before the answer did; ask again"));
}

}  // namespace

void add_ask_command(CLI::App& app, CommandRun& run) {
  auto command = std::make_shared<AskCommand>();
  CLI::App* sub = app.add_subcommand(
      "ask", "Ask a question and watch the cited answer arrive (Ctrl-C cancels)");
  add_client_options(*sub, command->client);
  sub->add_option("question", command->question, "the question")->required();
  sub->add_option("-k,--top-k", command->top_k, "passages to answer from; 0: the server's default")
      ->capture_default_str();
  add_question_options(*sub, command->options);
  sub->callback([command, &run] { run = [command] { return run_ask(*command); }; });
}

}  // namespace millrace
