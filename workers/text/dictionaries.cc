#include "workers/text/dictionaries.h"

#include <libstemmer.h>
#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include <functional>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace millrace {
namespace {

// A stem costs as much as finding the word did; most words of a text are among the last few
// thousand.
constexpr std::size_t kStemsMax = 4096;

struct DeleteStemmer {
  void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
};

struct CloseText {
  void operator()(UText* text) const { utext_close(text); }
};

struct Stemmed {
  const sb_stemmer* by = nullptr;
  std::string word;
  std::string stem;
};

}  // namespace

struct Stemmers::Impl {
  std::map<std::string, std::unique_ptr<sb_stemmer, DeleteStemmer>, std::less<>> stemmers;
  sb_stemmer* used = nullptr;
  std::vector<Stemmed> stems{kStemsMax};  // each at the place that its word hashes to
};

Stemmers::Stemmers() : impl_{std::make_unique<Impl>()} {}
Stemmers::~Stemmers() = default;

void Stemmers::use(std::string_view language) {
  impl_->used = nullptr;
  if (language.size() != 2) return;  // libstemmer knows other names too
  const auto known = impl_->stemmers.find(language);
  if (known != impl_->stemmers.end()) {
    impl_->used = known->second.get();
    return;
  }
  const std::string name{language == "nn" || language == "nb" ? "no" : language};
  std::unique_ptr<sb_stemmer, DeleteStemmer> made{sb_stemmer_new(name.c_str(), "UTF_8")};
  if (made == nullptr) return;
  impl_->used = impl_->stemmers.emplace(language, std::move(made)).first->second.get();
}

std::string_view Stemmers::stem(std::string_view word) {
  sb_stemmer* used = impl_->used;
  if (used == nullptr) return word;
  Stemmed& entry = impl_->stems[std::hash<std::string_view>{}(word) % kStemsMax];
  if (entry.by == used && entry.word == word) return entry.stem;
  const sb_symbol* symbols = sb_stemmer_stem(used, reinterpret_cast<const sb_symbol*>(word.data()),
                                             static_cast<int>(word.size()));
  if (symbols == nullptr) throw std::bad_alloc{};
  const auto bytes = static_cast<std::size_t>(sb_stemmer_length(used));
  entry.by = used;
  entry.word = word;
  entry.stem = bytes == 0 ? word : std::string_view{reinterpret_cast<const char*>(symbols), bytes};
  return entry.stem;
}

struct DictionaryWords::Impl {
  std::unique_ptr<UText, CloseText> text;
  std::unique_ptr<icu::BreakIterator> breaks;
  std::string_view run;
  std::int32_t from = 0;
};

DictionaryWords::DictionaryWords() : impl_{std::make_unique<Impl>()} {
  UErrorCode code = U_ZERO_ERROR;
  impl_->breaks.reset(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), code));
  if (U_FAILURE(code) || impl_->breaks == nullptr) {
    throw std::runtime_error(std::string{"ICU's break rules are missing: "} + u_errorName(code));
  }
}

DictionaryWords::~DictionaryWords() = default;

void DictionaryWords::begin(std::string_view run) {
  UErrorCode code = U_ZERO_ERROR;
  UText* text =
      utext_openUTF8(impl_->text.get(), run.data(), static_cast<std::int64_t>(run.size()), &code);
  if (U_SUCCESS(code) && impl_->text == nullptr) impl_->text.reset(text);
  impl_->breaks->setText(text, code);
  if (U_FAILURE(code)) throw std::bad_alloc{};
  impl_->run = run;
  impl_->from = impl_->breaks->first();
}

std::string_view DictionaryWords::next() {
  const std::int32_t to = impl_->breaks->next();
  if (to == icu::BreakIterator::DONE) return {};
  const std::int32_t from = std::exchange(impl_->from, to);
  return impl_->run.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from));
}

}  // namespace millrace
