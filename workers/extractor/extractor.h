#pragma once

#include <memory>
#include <span>
#include <vector>

#include "common/clock.h"
#include "workers/extractor/sandbox.h"
#include "workers/runtime/stage.h"

namespace millrace {

// Topic `documents` to `texts` and `document-events`: finds out what each file is, parses it in the
// sandbox, and sends its text with blocks. A file that cannot be read is `rejected` with a message
// for the one who uploaded it; what the sandbox itself lacks is `unavailable`.
class Extractor final : public Stage {
 public:
  Extractor(std::unique_ptr<Sandbox> sandbox, const Clock& clock);

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override;
  // The document's progress: failed, with the error's message.
  Outputs given_up(const Record& record, const Error& error) override;

 private:
  Result<Outputs> process_one(const Record& record);
  Result<Outputs> extract(const DocumentEvent& event);

  std::unique_ptr<Sandbox> sandbox_;
  const Clock& clock_;
};

}  // namespace millrace
