#include "workers/model/tokenizer.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <limits>

#include "workers/model/piece_trie.h"
#include "workers/model/wordpiece.h"
#include "workers/text/utf8.h"

namespace millrace {
namespace {

// The general category as the reference implementation (Hugging Face tokenizers) sees it: its
// tables are those of Unicode 8, so later characters are letters to it, and these six have changed
// since.
int reference_category(UChar32 point) {
  switch (point) {
    case 0x166D:
    case 0x111C9:
      return U_OTHER_PUNCTUATION;
    case 0x1734:
      return U_NON_SPACING_MARK;
    case 0x1885:
    case 0x1886:
      return U_OTHER_LETTER;
    case 0xA9BD:
      return U_COMBINING_SPACING_MARK;
    default:
      break;
  }
  constexpr std::uint8_t kReferenceVersion = 8;
  UVersionInfo age;
  u_charAge(point, age);
  if (age[0] > kReferenceVersion) return U_OTHER_LETTER;
  return u_charType(point);
}

bool is_mark(UChar32 point) { return reference_category(point) == U_NON_SPACING_MARK; }

bool is_punctuation(UChar32 point) {
  constexpr std::string_view kAscii = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
  if (point < 0x80) return kAscii.find(static_cast<char>(point)) != std::string_view::npos;
  switch (reference_category(point)) {
    case U_CONNECTOR_PUNCTUATION:
    case U_DASH_PUNCTUATION:
    case U_START_PUNCTUATION:
    case U_END_PUNCTUATION:
    case U_INITIAL_PUNCTUATION:
    case U_FINAL_PUNCTUATION:
    case U_OTHER_PUNCTUATION:
      return true;
    default:
      return false;
  }
}

// What clean_text drops: control, format and private use.
bool is_dropped(UChar32 point) {
  if (point == '\t' || point == '\n' || point == '\r') return false;
  if (point == 0 || point == 0xFFFD) return true;
  const int category = reference_category(point);
  return category == U_CONTROL_CHAR || category == U_FORMAT_CHAR || category == U_PRIVATE_USE_CHAR;
}

bool is_ideograph(UChar32 point) {
  return (point >= 0x4E00 && point <= 0x9FFF) || (point >= 0x3400 && point <= 0x4DBF) ||
         (point >= 0x20000 && point <= 0x2A6DF) || (point >= 0x2A700 && point <= 0x2B73F) ||
         (point >= 0x2B740 && point <= 0x2B81F) || (point >= 0x2B920 && point <= 0x2CEAF) ||
         (point >= 0xF900 && point <= 0xFAFF) || (point >= 0x2F800 && point <= 0x2FA1F);
}

// Source bytes that one normalised byte comes from.
struct Source {
  std::uint32_t begin;
  std::uint32_t end;
};

// The word being read, normalised. Bytes beyond the longest known word are counted, not kept.
struct Word {
  std::string bytes;
  std::vector<Source> sources;  // of each byte
  std::size_t chars = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

class WordPieceTokenizer final : public Tokenizer {
 public:
  WordPieceTokenizer(WordPieceSettings settings, std::int32_t unknown, PieceTrie first,
                     PieceTrie continuing, const icu::Normalizer2& canonical)
      : settings_{std::move(settings)},
        unknown_{unknown},
        first_{std::move(first)},
        continuing_{std::move(continuing)},
        canonical_{canonical} {
    for (UChar32 point = 0; point < 0x80; ++point) {
      ascii_[static_cast<std::size_t>(point)] = ascii_class(point);
    }
  }

  std::vector<Token> tokenize(std::string_view utf8) const override {
    return scan(utf8, std::numeric_limits<std::size_t>::max());
  }

  std::vector<std::int32_t> encode(std::string_view utf8, std::size_t max_tokens) const override {
    const std::size_t room = max_tokens - std::min(max_tokens, special_tokens());
    std::vector<std::int32_t> out{settings_.special_before};
    for (const Token& token : scan(utf8, room)) out.push_back(token.id);
    out.insert(out.end(), settings_.special_after.begin(), settings_.special_after.end());
    return out;
  }

  std::size_t special_tokens() const override {
    return settings_.special_before.size() + settings_.special_after.size();
  }

 private:
  enum class Class : std::uint8_t { letter, space, punctuation, dropped };

  Class ascii_class(UChar32 point) const {
    if (settings_.clean_text && is_dropped(point)) return Class::dropped;
    if (u_isUWhiteSpace(point)) return Class::space;
    return is_punctuation(point) ? Class::punctuation : Class::letter;
  }

  // Tokens of the text until there are `room`.
  std::vector<Token> scan(std::string_view utf8, std::size_t room) const {
    utf8 = utf8.substr(0, std::numeric_limits<std::uint32_t>::max());
    std::vector<Token> out;
    Word word;
    std::size_t at = 0;
    while (at < utf8.size() && out.size() < room) {
      const auto begin = static_cast<std::uint32_t>(at);
      const char32_t point = next_code_point(utf8, at);
      const Source source{begin, static_cast<std::uint32_t>(at)};
      if (point >= 0x80) {
        take(point == kInvalidCodePoint ? 0xFFFD : static_cast<UChar32>(point), source, word, out);
        continue;
      }
      const auto byte = static_cast<char>(point);
      switch (ascii_[point]) {
        case Class::letter:
          push(static_cast<UChar32>(lower(byte)), source, word);
          break;
        case Class::punctuation:
          isolate(static_cast<UChar32>(byte), source, word, out);
          break;
        case Class::space:
          finish(word, out);
          break;
        case Class::dropped:
          break;
      }
    }
    finish(word, out);
    if (out.size() > room) out.resize(room);
    return out;
  }

  char lower(char byte) const {
    return settings_.lowercase && byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20)
                                                             : byte;
  }

  // A character outside ASCII: cleaned, decomposed without marks, lower-cased, added to the word.
  // Marks that stay are not put in canonical order: no vocabulary knows two of them in a row.
  void take(UChar32 point, Source source, Word& word, std::vector<Token>& out) const {
    if (settings_.clean_text && is_dropped(point)) return;
    if (u_isUWhiteSpace(point)) return finish(word, out);
    const bool ideograph = settings_.handle_chinese_chars && is_ideograph(point);
    if (ideograph) finish(word, out);
    icu::UnicodeString parts;
    if (settings_.strip_accents && canonical_.getDecomposition(point, parts)) {
      for (std::int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1)) {
        take_part(parts.char32At(i), source, word, out);
      }
    } else {
      take_part(point, source, word, out);
    }
    if (ideograph) finish(word, out);
  }

  void take_part(UChar32 point, Source source, Word& word, std::vector<Token>& out) const {
    if (settings_.strip_accents && is_mark(point)) return;
    if (settings_.lowercase) {
      constexpr UChar32 kCapitalIWithDot =
          0x130;  // the only one whose lower case is two characters
      if (point == kCapitalIWithDot) {
        push('i', source, word);
        return push(0x307, source, word);
      }
      point = u_tolower(point);
    }
    if (is_punctuation(point)) return isolate(point, source, word, out);
    push(point, source, word);
  }

  void push(UChar32 point, Source source, Word& word) const {
    if (word.chars++ == 0) word.begin = source.begin;
    word.end = source.end;
    if (word.chars > settings_.word_chars_max) return;
    append_utf8(word.bytes, static_cast<char32_t>(point));
    word.sources.resize(word.bytes.size(), source);
  }

  void isolate(UChar32 point, Source source, Word& word, std::vector<Token>& out) const {
    finish(word, out);
    push(point, source, word);
    finish(word, out);
  }

  // The longest piece, again and again; a word with an unknown part is unknown as a whole.
  void finish(Word& word, std::vector<Token>& out) const {
    if (word.chars == 0) return;
    const std::size_t before = out.size();
    const std::string_view bytes = word.bytes;
    bool known = word.chars <= settings_.word_chars_max;
    for (std::size_t at = 0; known && at < bytes.size();) {
      const auto match = (at == 0 ? first_ : continuing_).longest(bytes.substr(at));
      known = match.id >= 0;
      if (!known) break;
      const Source last = word.sources[at + match.bytes - 1];
      out.push_back({match.id, word.sources[at].begin, last.end});
      at += match.bytes;
    }
    if (!known) {
      out.resize(before);
      out.push_back({unknown_, word.begin, word.end});
    }
    word.bytes.clear();
    word.sources.clear();
    word.chars = 0;
  }

  const WordPieceSettings settings_;
  const std::int32_t unknown_;
  const PieceTrie first_;
  const PieceTrie continuing_;
  const icu::Normalizer2& canonical_;
  std::array<Class, 0x80> ascii_{};
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> make_wordpiece_tokenizer(WordPieceSettings settings,
                                                            const Vocabulary& vocabulary) {
  PieceTrie first;
  PieceTrie continuing;
  std::int32_t unknown = -1;
  for (const auto& [piece, id] : vocabulary) {
    if (id < 0) return rejected("vocabulary: the id of \"" + piece + "\" is negative");
    if (piece == settings.unknown) unknown = id;
    const bool continues = piece.starts_with(settings.continuing_prefix);
    if (continues) {
      continuing.insert(std::string_view{piece}.substr(settings.continuing_prefix.size()), id);
    }
    if (!continues || settings.continuing_prefix.empty()) first.insert(piece, id);
    if (first.nodes() >= PieceTrie::kNodesMax || continuing.nodes() >= PieceTrie::kNodesMax) {
      return rejected("the vocabulary is too large");
    }
  }
  if (unknown < 0) {
    return rejected("the unknown token \"" + settings.unknown + "\" is not in the vocabulary");
  }
  UErrorCode code = U_ZERO_ERROR;
  const icu::Normalizer2* canonical = icu::Normalizer2::getNFCInstance(code);
  if (U_FAILURE(code) || canonical == nullptr) {
    return fatal(std::string{"ICU's normalisation tables are missing: "} + u_errorName(code));
  }
  return std::unique_ptr<Tokenizer>{std::make_unique<WordPieceTokenizer>(
      std::move(settings), unknown, std::move(first), std::move(continuing), *canonical)};
}

}  // namespace millrace
