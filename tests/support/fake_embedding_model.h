#pragma once

#include <cctype>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "workers/model/embedding_model.h"

namespace millrace {

// Each run of letters, digits and bytes outside ASCII is a token, each other ASCII character that
// is no white space too. Ids are hashes of the lower-cased token.
class FakeTokenizer final : public Tokenizer {
 public:
  static constexpr std::int32_t kVocabulary = 30'000;

  std::vector<Token> tokenize(std::string_view utf8) const override {
    std::vector<Token> out;
    for (std::size_t at = 0; at < utf8.size();) {
      const std::size_t begin = at;
      std::uint64_t hash = 14695981039346656037U;
      while (at < utf8.size() && in_word(utf8[at]))
        hash = (hash ^ lower(utf8[at++])) * 1099511628211U;
      if (at == begin) hash = static_cast<unsigned char>(utf8[at++]);
      if (at == begin + 1 && is_space(utf8[begin])) continue;
      out.push_back({static_cast<std::int32_t>(hash % kVocabulary) + 1000,
                     static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(at)});
    }
    return out;
  }

  std::vector<std::int32_t> encode(std::string_view utf8, std::size_t max_tokens) const override {
    std::vector<std::int32_t> out{1};
    for (const Token& token : tokenize(utf8)) {
      if (out.size() + 1 < max_tokens) out.push_back(token.id);
    }
    out.push_back(2);
    return out;
  }

  std::size_t special_tokens() const override { return 2; }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
  static bool in_word(char c) { return c < 0 || std::isalnum(static_cast<unsigned char>(c)) != 0; }
  static std::uint64_t lower(char c) {
    return static_cast<std::uint64_t>(c < 0 ? static_cast<unsigned char>(c)
                                            : std::tolower(static_cast<unsigned char>(c)));
  }
};

// Bags of hashed words as vectors of length 1: texts that share words are near each other, equal
// texts are equal. Can fail, and can hold calls back at a gate. Thread-safe.
class FakeEmbeddingModel final : public EmbeddingModel {
 public:
  struct Call {
    Lane lane;
    std::vector<std::string> texts;
  };

  explicit FakeEmbeddingModel(std::int32_t dimensions = 64, std::size_t max_tokens = 256)
      : dimensions_{dimensions}, max_tokens_{max_tokens} {}

  std::string name() const override { return "fake"; }
  std::int32_t dimensions() const override { return dimensions_; }
  std::size_t max_tokens() const override { return max_tokens_; }
  const Tokenizer& tokenizer() const override { return tokenizer_; }

  Result<std::vector<float>> embed(std::span<const std::string> texts, Lane lane) override {
    std::unique_lock lock{mutex_};
    calls_.push_back({lane, {texts.begin(), texts.end()}});
    changed_.notify_all();
    changed_.wait(lock, [&] { return lane == Lane::query || !bulk_held_; });
    if (failures_left_ > 0) {
      --failures_left_;
      return *failure_;
    }
    std::vector<float> out;
    for (const std::string& text : texts) {
      const std::vector<float> row = vector_of(text);
      out.insert(out.end(), row.begin(), row.end());
    }
    return out;
  }

  // The vector that embed() gives for the text.
  std::vector<float> vector_of(std::string_view text) const {
    std::vector<float> row(static_cast<std::size_t>(dimensions_), 0.0F);
    for (const Token& token : tokenizer_.tokenize(text)) {
      row[static_cast<std::size_t>(token.id) % row.size()] += 1.0F;
    }
    float sum = 0;
    for (const float x : row) sum += x * x;
    if (sum == 0) row[0] = sum = 1.0F;
    for (float& x : row) x /= std::sqrt(sum);
    return row;
  }

  // The next `times` calls that pass the gate fail like this.
  void fail(Error error, int times = 1) {
    const std::lock_guard lock{mutex_};
    failure_ = std::move(error);
    failures_left_ = times;
  }

  // Bulk calls wait inside embed() between hold_bulk() and release_bulk(); queries never do.
  void hold_bulk() {
    const std::lock_guard lock{mutex_};
    bulk_held_ = true;
  }
  void release_bulk() {
    const std::lock_guard lock{mutex_};
    bulk_held_ = false;
    changed_.notify_all();
  }

  // Returns once embed() has been called so many times in all.
  void wait_for_calls(std::size_t count) const {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return calls_.size() >= count; });
  }
  std::vector<Call> calls() const {
    const std::lock_guard lock{mutex_};
    return calls_;
  }

 private:
  const std::int32_t dimensions_;
  const std::size_t max_tokens_;
  const FakeTokenizer tokenizer_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<Call> calls_;
  std::optional<Error> failure_;
  int failures_left_ = 0;
  bool bulk_held_ = false;
};

}  // namespace millrace
