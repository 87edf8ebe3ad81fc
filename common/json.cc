#include "common/json.h"

#include <rapidjson/document.h>
#include <rapidjson/error/error.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "common/utf8.h"

namespace millrace::json {
namespace {

using Pool = rapidjson::MemoryPoolAllocator<>;
using Tree = rapidjson::GenericDocument<rapidjson::UTF8<>, Pool>;
using Node = Tree::ValueType;

constexpr std::size_t kPoolChunkMin = 512;         // a small event needs no more
constexpr std::size_t kPoolChunkMax = 64U * 1024;  // RapidJSON's own default
constexpr std::size_t kShownKeyBytesMax = 64;      // of hostile input, in messages

const Node& node_of(const void* value) {
  assert(value != nullptr);
  return *static_cast<const Node*>(value);
}

// Passes SAX events on to a document, and stops at what we do not accept.
class StrictHandler {
 public:
  StrictHandler(Tree& tree, Limits limits) : tree_{tree}, limits_{limits} {}

  bool Null() { return count() && tree_.Null(); }
  bool Bool(bool flag) { return count() && tree_.Bool(flag); }
  bool Int(int number) { return count() && tree_.Int(number); }
  bool Uint(unsigned number) { return count() && tree_.Uint(number); }
  bool Int64(std::int64_t number) { return count() && tree_.Int64(number); }
  bool Uint64(std::uint64_t number) { return count() && tree_.Uint64(number); }
  bool Double(double number) { return count() && tree_.Double(number); }
  bool RawNumber(const char* text, rapidjson::SizeType length, bool copy) {
    return count() && tree_.RawNumber(text, length, copy);
  }
  bool String(const char* text, rapidjson::SizeType length, bool copy) {
    return count() && whole(text, length) && tree_.String(text, length, copy);
  }
  bool StartObject() { return count() && enter() && tree_.StartObject(); }
  bool StartArray() { return count() && enter() && tree_.StartArray(); }
  bool Key(const char* text, rapidjson::SizeType length, bool copy) {
    if (!keys_.back().emplace(text, length).second) {
      mistake_ = "the key " +
                 quote(std::string_view{text, std::min<std::size_t>(length, kShownKeyBytesMax)}) +
                 " is there twice";
      return false;
    }
    return whole(text, length) && tree_.Key(text, length, copy);
  }
  bool EndObject(rapidjson::SizeType members) {
    keys_.pop_back();
    return tree_.EndObject(members);
  }
  bool EndArray(rapidjson::SizeType elements) {
    keys_.pop_back();
    return tree_.EndArray(elements);
  }

  const std::string& mistake() const { return mistake_; }

 private:
  bool count() {
    if (++values_ <= limits_.values) return true;
    mistake_ = "more than " + std::to_string(limits_.values) + " values";
    return false;
  }
  // RapidJSON lets the escape of a low surrogate alone through, as bytes that are not UTF-8.
  bool whole(const char* text, std::size_t length) {
    constexpr int kSurrogateLead = 0xED;
    if (length == 0 || std::memchr(text, kSurrogateLead, length) == nullptr ||
        valid_utf8({text, length})) {
      return true;
    }
    mistake_ = "expected the first half of a surrogate pair";
    return false;
  }
  bool enter() {
    if (keys_.size() >= limits_.depth) {
      mistake_ = "nested deeper than " + std::to_string(limits_.depth) + " levels";
      return false;
    }
    keys_.emplace_back();
    return true;
  }

  Tree& tree_;
  Limits limits_;
  std::size_t values_ = 0;
  // Keys seen in each open object or array; a tree, so that chosen keys cannot make it slow.
  std::vector<std::set<std::string, std::less<>>> keys_;
  std::string mistake_;
};

std::string_view explain(rapidjson::ParseErrorCode code) {
  switch (code) {
    case rapidjson::kParseErrorDocumentEmpty:
      return "expected a JSON value, found nothing";
    case rapidjson::kParseErrorDocumentRootNotSingular:
      return "expected the end after the first JSON value";
    case rapidjson::kParseErrorObjectMissName:
      return "expected a key in double quotes, or '}'";
    case rapidjson::kParseErrorObjectMissColon:
      return "expected ':' after the key";
    case rapidjson::kParseErrorObjectMissCommaOrCurlyBracket:
      return "expected ',' or '}'";
    case rapidjson::kParseErrorArrayMissCommaOrSquareBracket:
      return "expected ',' or ']'";
    case rapidjson::kParseErrorStringUnicodeEscapeInvalidHex:
      return "expected four hexadecimal digits after \\u";
    case rapidjson::kParseErrorStringUnicodeSurrogateInvalid:
      return "expected the other half of a surrogate pair";
    case rapidjson::kParseErrorStringEscapeInvalid:
      return "expected one of \" \\ / b f n r t u after a backslash in a string, and control "
             "characters escaped";
    case rapidjson::kParseErrorStringMissQuotationMark:
      return "expected '\"' at the end of a string";
    case rapidjson::kParseErrorStringInvalidEncoding:
      return "expected UTF-8, and control characters escaped";
    case rapidjson::kParseErrorNumberTooBig:
      return "expected a number that fits a double";
    case rapidjson::kParseErrorNumberMissFraction:
      return "expected digits after the decimal point";
    case rapidjson::kParseErrorNumberMissExponent:
      return "expected digits in the exponent";
    default:
      return "expected a JSON value";
  }
}

Error parse_error(std::string_view text, std::size_t offset, std::string_view what) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0: the first line
  const auto column =
      std::count_if(before.begin() + static_cast<std::ptrdiff_t>(start), before.end(),
                    [](char c) { return (static_cast<unsigned>(c) & 0xC0U) != 0x80U; }) +
      1;
  return rejected("JSON, line " + std::to_string(line) + ", column " + std::to_string(column) +
                  ": " + std::string{what});
}

}  // namespace

struct Document::Impl {
  explicit Impl(std::size_t text_bytes)
      : pool{std::clamp(text_bytes * 2, kPoolChunkMin, kPoolChunkMax)}, tree{&pool} {}
  Pool pool;
  Tree tree;
};

Document::Document(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;
Value Document::root() const { return Value{static_cast<const Node*>(&impl_->tree)}; }

Result<Document> Document::parse(std::string_view text, Limits limits) {
  // Iterative: nesting is bounded by our limit, never by the stack.
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                              rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseFullPrecisionFlag;
  auto impl = std::make_unique<Impl>(text.size());
  rapidjson::MemoryStream stream{text.data(), text.size()};
  StrictHandler handler{impl->tree, limits};
  rapidjson::ParseResult outcome;
  auto generate = [&](Tree&) {
    rapidjson::Reader reader;
    outcome = reader.Parse<kFlags>(stream, handler);
    return !outcome.IsError();
  };
  impl->tree.Populate(generate);
  if (!handler.mistake().empty()) return parse_error(text, stream.Tell(), handler.mistake());
  if (outcome.IsError()) return parse_error(text, outcome.Offset(), explain(outcome.Code()));
  if (stream.Tell() != text.size()) {  // RapidJSON takes a NUL byte for the end
    return parse_error(text, stream.Tell(), explain(rapidjson::kParseErrorDocumentRootNotSingular));
  }
  return Document{std::move(impl)};
}

bool Value::is_null() const { return exists() && node_of(value_).IsNull(); }
bool Value::is_bool() const { return exists() && node_of(value_).IsBool(); }
bool Value::is_string() const { return exists() && node_of(value_).IsString(); }
bool Value::is_number() const { return exists() && node_of(value_).IsNumber(); }
bool Value::is_integer() const { return exists() && node_of(value_).IsInt64(); }
bool Value::is_array() const { return exists() && node_of(value_).IsArray(); }
bool Value::is_object() const { return exists() && node_of(value_).IsObject(); }

std::string_view Value::type_name() const {
  if (!exists()) return "nothing";
  switch (node_of(value_).GetType()) {
    case rapidjson::kNullType:
      return "null";
    case rapidjson::kFalseType:
    case rapidjson::kTrueType:
      return "boolean";
    case rapidjson::kObjectType:
      return "object";
    case rapidjson::kArrayType:
      return "array";
    case rapidjson::kStringType:
      return "string";
    case rapidjson::kNumberType:
      break;
  }
  return "number";
}

bool Value::as_bool() const {
  assert(is_bool());
  return node_of(value_).GetBool();
}

std::string_view Value::as_string() const {
  assert(is_string());
  const Node& node = node_of(value_);
  return {node.GetString(), node.GetStringLength()};
}

double Value::as_double() const {
  assert(is_number());
  return node_of(value_).GetDouble();
}

std::int64_t Value::as_integer() const {
  assert(is_integer());
  return node_of(value_).GetInt64();
}

std::size_t Value::size() const {
  assert(is_array() || is_object());
  const Node& node = node_of(value_);
  return node.IsArray() ? node.Size() : node.MemberCount();
}

Value Value::operator[](std::size_t index) const {
  assert(is_array() && index < size());
  return Value{&node_of(value_)[static_cast<rapidjson::SizeType>(index)]};
}

Value Value::member(std::string_view name) const {
  if (!is_object()) return {};
  const Node& object = node_of(value_);
  const Node key{rapidjson::StringRef(name.empty() ? "" : name.data(), name.size())};
  const auto found = object.FindMember(key);
  return found == object.MemberEnd() ? Value{} : Value{&found->value};
}

Value::Member Value::member_at(std::size_t index) const {
  assert(is_object() && index < size());
  const auto& member = *(node_of(value_).MemberBegin() + static_cast<std::ptrdiff_t>(index));
  return {{member.name.GetString(), member.name.GetStringLength()}, Value{&member.value}};
}

std::string Value::serialize() const {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer{buffer};
  node_of(value_).Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

struct Writer::Impl {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer{buffer};
};

Writer::Writer() : impl_{std::make_unique<Impl>()} {}
Writer::~Writer() = default;
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;

Writer& Writer::begin_object() {
  impl_->writer.StartObject();
  return *this;
}

Writer& Writer::end_object() {
  impl_->writer.EndObject();
  return *this;
}

Writer& Writer::begin_array() {
  impl_->writer.StartArray();
  return *this;
}

Writer& Writer::end_array() {
  impl_->writer.EndArray();
  return *this;
}

Writer& Writer::key(std::string_view name) { return value(name); }  // a key is a string

Writer& Writer::value(std::string_view text) {
  if (!valid_utf8(text)) return value(replace_invalid_utf8(text));
  impl_->writer.String(text.empty() ? "" : text.data(),
                       static_cast<rapidjson::SizeType>(text.size()));
  return *this;
}

Writer& Writer::value(bool flag) {
  impl_->writer.Bool(flag);
  return *this;
}

Writer& Writer::value(double number) {
  assert(std::isfinite(number));
  if (!std::isfinite(number)) return null();  // in a release build still JSON
  impl_->writer.Double(number);
  return *this;
}

Writer& Writer::value(std::int64_t number) {
  impl_->writer.Int64(number);
  return *this;
}

Writer& Writer::null() {
  impl_->writer.Null();
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  impl_->writer.RawValue(json.data(), json.size(), rapidjson::kObjectType);
  return *this;
}

Writer& Writer::strings(std::string_view name, const std::vector<std::string>& values) {
  key(name).begin_array();
  for (const std::string& text : values) value(text);
  return end_array();
}

std::string Writer::take() {
  assert(impl_->writer.IsComplete());
  std::string text{impl_->buffer.GetString(), impl_->buffer.GetSize()};
  impl_->buffer.Clear();
  impl_->writer.Reset(impl_->buffer);
  return text;
}

std::string quote(std::string_view text) { return Writer{}.value(text).take(); }

}  // namespace millrace::json
