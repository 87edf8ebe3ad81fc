#include "gateway/cli/command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "common/config.h"

namespace millrace {

void add_connection_options(CLI::App& command, ClientOptions& options) {
  command.add_option("--server", options.server,
                     "address of the gateway; else MILLRACE_SERVER, else http://127.0.0.1:8000");
  command.add_option("--api-key", options.api_key, "API key; else MILLRACE_API_KEY");
}

void add_client_options(CLI::App& command, ClientOptions& options) {
  add_connection_options(command, options);
  command.add_option("-c,--collection", options.collection, "collection")->capture_default_str();
  command.add_flag("--json", options.json, "print the server's JSON");
}

Result<Client> Client::connect(const ClientOptions& options) {
  ConfigSources sources;
  sources.environment = process_environment();
  if (!options.server.empty()) sources.flags["server"] = options.server;
  if (!options.api_key.empty()) sources.flags["api_key"] = options.api_key;
  Result<Config> config = Config::load(sources);
  if (!config) return config.error();
  std::string server = config->text("server");
  while (server.ends_with('/')) server.pop_back();
  return Client{std::move(server), config->text("api_key")};
}

HttpRequest Client::request(std::string method, std::string_view path,
                            std::string json_body) const {
  HttpRequest request;
  request.method = std::move(method);
  request.url = server_ + std::string{path};
  if (!api_key_.empty()) request.headers["Authorization"] = "Bearer " + api_key_;
  if (!json_body.empty()) request.headers["Content-Type"] = "application/json";
  request.body = std::move(json_body);
  return request;
}

HttpRequest Client::collection_request(std::string method, std::string_view collection,
                                       std::string_view below, std::string json_body) const {
  const std::string path = "/v1/collections/" + percent_encode(collection) + std::string{below};
  return request(std::move(method), path, std::move(json_body));
}

Result<json::Document> Client::call(HttpRequest request) const {
  Result<HttpResponse> response = http_exchange_blocking(std::move(request));
  if (!response) return response.error();
  if (response->status / 100 != 2) return problem_error(*response);
  return json::Document::parse(response->body.empty() ? "{}" : response->body);
}

Error problem_error(const HttpResponse& response) {
  std::string message = "the server answered " + std::to_string(response.status);
  if (Result<json::Document> problem = json::Document::parse(response.body); problem) {
    const json::Value detail = problem->root().member("detail");
    if (detail.is_string()) message = std::string{detail.as_string()};
  }
  return response.status >= 500 ? unavailable(std::move(message)) : rejected(std::move(message));
}

std::string printable(std::string_view text) {
  std::string out{text};
  for (char& each : out) {
    const auto byte = static_cast<unsigned char>(each);
    if ((byte < 0x20 && each != '\n' && each != '\t') || byte == 0x7f) each = '?';
  }
  return out;
}

ExitCode fail(const Error& error) {
  std::cerr << "millrace: " << printable(error.message) << '\n';
  return ExitCode::failed;
}

}  // namespace millrace
