#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/metrics.h"
#include "workers/model/embedding_model.h"

namespace millrace {

// The vectors of the questions that were asked most recently, for all query embedders of a process:
// people ask the same again. A generation has one model for good, so its number and the text name a
// vector. Never more than `bytes_max`, texts included; 0 keeps nothing. Thread-safe; no lock is
// held while the model works.
class EmbeddingCache {
 public:
  EmbeddingCache(std::size_t bytes_max, MetricsRegistry& metrics);

  // As EmbeddingModel::embed() in the questions' lane, which is asked, once, for the texts that are
  // not here.
  Result<std::vector<float>> embed(EmbeddingModel& model, int generation,
                                   std::span<const std::string> texts);

 private:
  using Key = std::pair<int, std::string>;  // generation, text
  struct Entry {
    Key key;
    std::vector<float> vector;
  };
  using Entries = std::list<Entry>;  // the last one asked for in front

  static std::size_t bytes_of(const Entry& entry);
  // Copies what is known to its rows; gives the places in `texts` of the rest.
  std::vector<std::size_t> take(int generation, std::span<const std::string> texts,
                                std::span<float> rows);
  void keep(int generation, const std::string& text, std::span<const float> vector);
  void count(bool hit);

  const std::size_t bytes_max_;
  const Counter hits_;
  const Counter misses_;
  const Gauge hit_rate_;
  const Gauge bytes_gauge_;
  std::mutex mutex_;
  Entries entries_;
  std::map<Key, Entries::iterator> by_key_;
  std::size_t bytes_ = 0;
  std::vector<bool> recent_;     // whether each of the newest lookups was a hit, in a ring
  std::size_t next_recent_ = 0;  // place of the next one in it
  std::size_t recent_hits_ = 0;
};

}  // namespace millrace
