#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "gateway/cli/eval/figures.h"
#include "gateway/cli/eval/gate.h"

namespace millrace {

// What an evaluation found out.
struct Report {
  std::string input;       // the folder or file
  std::string collection;  // empty: a temporary one
  std::size_t documents = 0;
  std::vector<std::string> failed_documents;  // "id: reason"
  std::size_t queries = 0;
  std::size_t questions = 0;
  std::vector<Figure> figures;
  std::vector<Latency> latencies;
  std::vector<Check> checks;

  bool passed() const;
};

void print_report(const Report& report, std::ostream& out);  // for people
std::string report_json(const Report& report);               // also a baseline for later
// Each threshold is a test case, and that all documents are searchable.
std::string report_junit(const Report& report);

}  // namespace millrace
