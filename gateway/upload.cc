#include "gateway/upload.h"

#include <algorithm>

#include "common/ids.h"
#include "gateway/media_types.h"
#include "gateway/metadata_bounds.h"
#include "gateway/multipart.h"

namespace millrace {
namespace {

constexpr std::size_t kNameBytesMax = 1'024;
constexpr std::size_t kTitleBytesMax = 4'096;
constexpr std::size_t kMetadataBytesMax = 64U << 10U;
constexpr std::size_t kAllowMax = 100;
constexpr std::size_t kGroupBytesMax = 256;

using Documents = Reply<std::vector<NewDocument>>;

Problem unknown_type(std::string_view media_type) {
  Problem problem = bad_field("Content-Type",
                              "\"" + std::string{media_type} + "\" is not known; known are " +
                                  known_media_types() + ", and multipart/form-data for many files");
  problem.status = 415;
  return problem;
}

// Within what a log record, a status and filters can carry.
std::optional<Problem> check(const NewDocument& document, const std::string& where) {
  const auto wrong = [&](std::string_view member, std::string detail) {
    return bad_field(where.empty() ? std::string{member} : where + "." + std::string{member},
                     std::move(detail));
  };
  if (document.content.empty()) return wrong("content", "is empty");
  if (document.name.size() > kNameBytesMax) return wrong("name", "is longer than 1024 bytes");
  if (document.title.size() > kTitleBytesMax) return wrong("title", "is longer than 4096 bytes");
  if (document.metadata.size() > kMetadataBytesMax) {
    return wrong("metadata", "is larger than 64 KiB");
  }
  if (auto unknown = unknown_to_filters(document.metadata)) {
    return wrong("metadata." + unknown->where, std::move(unknown->detail));
  }
  if (document.allow.size() > kAllowMax) return wrong("allow", "has more than 100 groups");
  for (const std::string& group : document.allow) {
    if (group.empty() || group.size() > kGroupBytesMax) {
      return wrong("allow", "has a group that is not 1 to 256 bytes long");
    }
  }
  return std::nullopt;
}

// The media type of raw bytes: as claimed, unless the claim says nothing and the name does.
Reply<std::string> raw_media_type(std::string_view content_type, std::string_view name) {
  std::string bare = bare_media_type(content_type);
  if (bare.empty() || bare == "application/octet-stream") {
    const std::string_view by_name = media_type_for_name(name);
    return std::string{by_name.empty() ? "application/octet-stream" : by_name};
  }
  if (!known_media_type(bare)) return unknown_type(bare);
  return bare;
}

std::string base_name(std::string_view name) {
  const auto slash = name.find_last_of("/\\");
  return std::string{slash == std::string_view::npos ? name : name.substr(slash + 1)};
}

Documents from_form(const Request& request, std::size_t documents_max) {
  const auto parts = parse_multipart(request.field("content-type"), request.body, documents_max);
  if (!parts) return parts.error();
  std::vector<NewDocument> documents;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    const FormPart& part = (*parts)[i];
    const std::string where = "part " + std::to_string(i + 1) + " (" + part.name + ")";
    if (part.file_name.empty()) {
      return bad_field(where, "is not a file; send each document as a file part with a filename");
    }
    NewDocument document;
    document.name = base_name(part.file_name);
    auto media_type = raw_media_type(part.media_type, document.name);
    if (!media_type) return media_type.error();
    document.media_type = std::move(*media_type);
    document.content = part.content;
    if (auto wrong = check(document, where)) return std::move(*wrong);
    documents.push_back(std::move(document));
  }
  return documents;
}

Documents from_json(const Request& request, std::size_t documents_max) {
  const auto parsed = json::Document::parse(request.body);
  if (!parsed) return problem_from(parsed.error());
  json::ObjectReader in{parsed->root(), "request"};
  const json::Value array = in.required_array("documents");
  if (const Status read = in.finish(); !read) return problem_from(read.error());
  if (array.size() > documents_max) {
    return bad_field("documents", "has more than " + std::to_string(documents_max) + " elements");
  }
  std::vector<NewDocument> documents;
  for (std::size_t i = 0; i < array.size(); ++i) {
    auto document = parse_document(array[i], "documents[" + std::to_string(i) + "]");
    if (!document) return document.error();
    documents.push_back(std::move(*document));
  }
  return documents;
}

Documents from_lines(const Request& request, std::size_t documents_max) {
  std::vector<NewDocument> documents;
  std::string_view rest = request.body;
  for (std::size_t line = 1; !rest.empty(); ++line) {
    const auto newline = rest.find('\n');
    const std::string_view text = rest.substr(0, newline);
    rest = newline == std::string_view::npos ? std::string_view{} : rest.substr(newline + 1);
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = "line " + std::to_string(line);
    if (documents.size() == documents_max) {
      return bad_field(where,
                       "one request takes at most " + std::to_string(documents_max) + " documents");
    }
    const auto parsed = json::Document::parse(text);
    if (!parsed) return bad_field(where, parsed.error().message);
    auto document = parse_document(parsed->root(), where);
    if (!document) return document.error();
    documents.push_back(std::move(*document));
  }
  return documents;
}

}  // namespace

Reply<NewDocument> parse_document(json::Value value, const std::string& where) {
  NewDocument document;
  std::string base64;
  json::ObjectReader in{value, where};
  in.optional("id", document.id);
  in.optional("name", document.name);
  in.optional("title", document.title);
  const bool has_text = in.optional("text", document.content);
  const bool has_base64 = in.optional("content_base64", base64);
  const bool has_type = in.optional("media_type", document.media_type);
  const json::Value metadata = in.optional_object("metadata");
  in.optional("allow", document.allow);
  if (const Status read = in.finish(); !read) return problem_from(read.error());
  if (has_text == has_base64) {
    return bad_field(where, "needs either \"text\" or \"content_base64\" with \"media_type\"");
  }
  if (has_base64 && !base64_decode(base64, document.content)) {
    return bad_field(where + ".content_base64", "is not base64");
  }
  if (has_base64 && !has_type) return bad_field(where + ".media_type", "is missing");
  if (!has_type) document.media_type = "text/plain";
  document.media_type = bare_media_type(document.media_type);
  if (!known_media_type(document.media_type)) return unknown_type(document.media_type);
  if (metadata.exists()) document.metadata = metadata.serialize();
  if (auto wrong = check(document, where)) return std::move(*wrong);
  return document;
}

Reply<NewDocument> parse_raw_document(const Request& request) {
  NewDocument document;
  document.name = request.argument("name").value_or("");
  document.id = request.argument("id").value_or("");
  document.title = request.argument("title").value_or("");
  auto media_type = raw_media_type(request.field("content-type"), document.name);
  if (!media_type) return media_type.error();
  document.media_type = std::move(*media_type);
  document.content = request.body;
  if (auto wrong = check(document, "")) return std::move(*wrong);
  return document;
}

Reply<std::vector<NewDocument>> parse_upload(const Request& request, std::size_t documents_max) {
  const std::string bare = bare_media_type(request.field("content-type"));
  Documents documents = std::vector<NewDocument>{};
  if (bare == "multipart/form-data") {
    documents = from_form(request, documents_max);
  } else if (bare == "application/json") {
    documents = from_json(request, documents_max);
  } else if (bare == "application/x-ndjson") {
    documents = from_lines(request, documents_max);
  } else {
    auto document = parse_raw_document(request);
    if (!document) return document.error();
    documents->push_back(std::move(*document));
  }
  if (documents && documents->empty()) return bad_request("there is no document in the request");
  return documents;
}

}  // namespace millrace
