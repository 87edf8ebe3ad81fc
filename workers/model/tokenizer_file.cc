#include <fstream>
#include <limits>
#include <sstream>

#include "common/json.h"
#include "workers/model/tokenizer.h"
#include "workers/model/wordpiece.h"

namespace millrace {
namespace {

constexpr std::uintmax_t kFileBytesMax = std::uintmax_t{64} << 20U;  // 250k pieces have 17 MB
constexpr std::int64_t kWordCharsMax = 10'000;

Result<std::string> read_file(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return rejected(path.string() + ": " + error.message());
  if (size > kFileBytesMax) {
    return rejected(path.string() + ": larger than " + std::to_string(kFileBytesMax) + " bytes");
  }
  std::ifstream in{path, std::ios::binary};
  std::string bytes(static_cast<std::size_t>(size), '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size))) {
    return rejected(path.string() + ": cannot be read");
  }
  return bytes;
}

std::string text_or(json::Value value, std::string_view otherwise) {
  return std::string{value.exists() && value.is_string() ? value.as_string() : otherwise};
}

bool flag_or(json::Value value, bool otherwise) {
  return value.exists() && value.is_bool() ? value.as_bool() : otherwise;
}

// The object's "type", or what it is instead, for messages.
std::string type_of(json::Value value) {
  if (!value.exists()) return "nothing";
  if (!value.is_object()) return std::string{value.type_name()};
  return text_or(value.member("type"), "no type");
}

Status read_normalizer(json::Value normalizer, WordPieceSettings& settings) {
  if (type_of(normalizer) != "BertNormalizer") {
    return rejected("normalizer: expected BertNormalizer, found " + type_of(normalizer));
  }
  settings.clean_text = flag_or(normalizer.member("clean_text"), true);
  settings.handle_chinese_chars = flag_or(normalizer.member("handle_chinese_chars"), true);
  settings.lowercase = flag_or(normalizer.member("lowercase"), true);
  settings.strip_accents = flag_or(normalizer.member("strip_accents"), settings.lowercase);
  return {};
}

bool id_from(json::Value value, std::int32_t& out) {
  if (!value.exists() || !value.is_integer()) return false;
  const std::int64_t id = value.as_integer();
  if (id < 0 || id > std::numeric_limits<std::int32_t>::max()) return false;
  out = static_cast<std::int32_t>(id);
  return true;
}

Result<Vocabulary> read_vocabulary(json::Value vocabulary) {
  if (!vocabulary.exists() || !vocabulary.is_object()) {
    return rejected("model.vocab: expected an object of ids");
  }
  Vocabulary out;
  out.reserve(vocabulary.size());
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto [piece, value] = vocabulary.member_at(i);
    std::int32_t id = 0;
    if (!id_from(value, id)) {
      return rejected("model.vocab: the id of \"" + std::string{piece} + "\" is no token id");
    }
    out.emplace_back(piece, id);
  }
  return out;
}

Status read_model(json::Value model, WordPieceSettings& settings) {
  if (const std::string type = type_of(model); type != "WordPiece" && type != "no type") {
    return rejected("model: expected WordPiece (the BERT family), found " + type);
  }
  settings.continuing_prefix = text_or(model.member("continuing_subword_prefix"), "##");
  settings.unknown = text_or(model.member("unk_token"), "[UNK]");
  const json::Value chars = model.member("max_input_chars_per_word");
  if (chars.exists() && chars.is_integer()) {
    if (chars.as_integer() < 1 || chars.as_integer() > kWordCharsMax) {
      return rejected("model.max_input_chars_per_word: expected 1 to " +
                      std::to_string(kWordCharsMax));
    }
    settings.word_chars_max = static_cast<std::size_t>(chars.as_integer());
  }
  return {};
}

// TemplateProcessing: the special tokens before and after the sequence of a single text.
Status read_template(json::Value processor, WordPieceSettings& settings) {
  const json::Value single = processor.member("single");
  const json::Value specials = processor.member("special_tokens");
  if (!single.exists() || !single.is_array()) {
    return rejected("post_processor.single: expected an array");
  }
  auto* into = &settings.special_before;
  for (std::size_t i = 0; i < single.size(); ++i) {
    const json::Value special = single[i].member("SpecialToken");
    if (!special.exists()) {
      into = &settings.special_after;
      continue;
    }
    const std::string name = text_or(special.member("id"), "");
    const json::Value ids = specials.member(name).member("ids");
    if (!ids.exists() || !ids.is_array() || ids.size() == 0) {
      return rejected("post_processor.special_tokens: no ids for \"" + name + "\"");
    }
    for (std::size_t k = 0; k < ids.size(); ++k) {
      if (!id_from(ids[k], into->emplace_back())) {
        return rejected("post_processor.special_tokens: \"" + name + "\" has an id that is none");
      }
    }
  }
  return {};
}

// BertProcessing: {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]}.
Status read_pair(json::Value pair, std::string_view name, std::vector<std::int32_t>& into) {
  if (!pair.exists() || !pair.is_array() || pair.size() != 2 ||
      !id_from(pair[1], into.emplace_back())) {
    return rejected("post_processor." + std::string{name} + ": expected a token and its id");
  }
  return {};
}

Status read_post_processor(json::Value processor, WordPieceSettings& settings) {
  const std::string type = type_of(processor);
  if (type == "TemplateProcessing") return read_template(processor, settings);
  if (type == "BertProcessing") {
    if (auto status = read_pair(processor.member("cls"), "cls", settings.special_before); !status) {
      return status;
    }
    return read_pair(processor.member("sep"), "sep", settings.special_after);
  }
  return rejected("post_processor: expected TemplateProcessing or BertProcessing, found " + type);
}

Result<std::unique_ptr<Tokenizer>> from_json(json::Value root) {
  WordPieceSettings settings;
  if (!root.is_object()) return rejected("expected an object");
  const json::Value model = root.member("model");
  if (auto status = read_model(model, settings); !status) return status.error();
  if (auto status = read_normalizer(root.member("normalizer"), settings); !status) {
    return status.error();
  }
  if (const std::string type = type_of(root.member("pre_tokenizer")); type != "BertPreTokenizer") {
    return rejected("pre_tokenizer: expected BertPreTokenizer, found " + type);
  }
  if (auto status = read_post_processor(root.member("post_processor"), settings); !status) {
    return status.error();
  }
  const auto vocabulary = read_vocabulary(model.member("vocab"));
  if (!vocabulary) return vocabulary.error();
  return make_wordpiece_tokenizer(std::move(settings), *vocabulary);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::filesystem::path& tokenizer_json) {
  const auto bytes = read_file(tokenizer_json);
  if (!bytes) return bytes.error();
  const auto document = json::Document::parse(*bytes);
  if (!document) return with_context(tokenizer_json.string(), document.error());
  auto tokenizer = from_json(document->root());
  if (!tokenizer) return with_context(tokenizer_json.string(), tokenizer.error());
  return tokenizer;
}

}  // namespace millrace
