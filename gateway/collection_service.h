#pragma once

#include "gateway/backend.h"
#include "gateway/services.h"

namespace millrace {

class LogCollectionService final : public CollectionService {
 public:
  LogCollectionService(const Backend& backend, DocumentService& documents)
      : backend_{backend}, documents_{documents} {}

  Reply<Collection> get(const std::string& name) override;
  net::awaitable<std::vector<Collection>> list(const Caller& caller) override;
  net::awaitable<Reply<Stored>> put(const Caller& caller, std::string name, Change change) override;
  net::awaitable<Reply<std::int64_t>> remove(const Caller& caller, std::string name) override;
  net::awaitable<std::optional<IndexCounts>> index(const Caller& caller, int generation) override;

 private:
  const Backend backend_;
  DocumentService& documents_;
};

}  // namespace millrace
