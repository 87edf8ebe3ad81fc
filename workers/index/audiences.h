#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

// Who may find a row, as one number per distinct pair of collection and allow list, so that a scan
// decides by one lookup in a table. Numbers are used again once no row has them. Not thread-safe.
using Audience = std::uint32_t;
inline constexpr Audience kDeadRow = 0;    // deleted: nobody, and never again
inline constexpr Audience kStagedRow = 1;  // of a revision that is not complete: nobody yet

class Audiences {
 public:
  // The number of the pair, counting `rows` more users. `allow` in any order.
  Audience acquire(std::string_view collection, std::vector<std::string> allow, std::uint64_t rows);
  // Takes `rows` users away from what acquire() gave for the same pair.
  void release(std::string_view collection, std::vector<std::string> allow, std::uint64_t rows);

  // A byte per number: 1 where somebody of `groups` may look. Empty when nothing is visible.
  std::vector<std::uint8_t> visible(std::string_view collection, bool sees_everything,
                                    std::span<const std::string> groups) const;

 private:
  struct Entry {
    Audience number = kDeadRow;
    std::uint64_t rows = 0;
  };
  // By collection, then by sorted allow list; and which numbers a group opens.
  struct Members {
    std::map<std::vector<std::string>, Entry> by_allow;
    std::map<std::string, std::vector<Audience>, std::less<>> by_group;
  };
  std::map<std::string, Members, std::less<>> collections_;
  std::vector<Audience> free_;
  Audience next_ = kStagedRow + 1;
};

}  // namespace millrace
