#pragma once

#include <memory>
#include <string_view>

// What libstemmer and ICU's dictionaries know of words. One thread.
namespace millrace {

// Snowball's stemmers, made when they are asked for, with the stems of the last few thousand words.
class Stemmers {
 public:
  Stemmers();
  ~Stemmers();
  // The words that are stemmed from now on are of this language, an ISO 639-1 code; those of a
  // language without a stemmer are their own stems.
  void use(std::string_view language);
  // At most kTermBytesMax bytes. Valid until the next call.
  std::string_view stem(std::string_view word);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The words of scripts without spaces.
class DictionaryWords {
 public:
  DictionaryWords();
  ~DictionaryWords();
  // Begins with the words of `run`, which must live as long as they are asked for. Below 2 GiB.
  void begin(std::string_view run);
  // Empty at the end.
  std::string_view next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
