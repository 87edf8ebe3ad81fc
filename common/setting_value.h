#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config.h"

namespace millrace {

// The value in its plain form: durations as milliseconds, bytes as a number, booleans as "true" or
// "false". The error is what to put behind the value: "is not a number from 1 to 8".
//   duration = digits ["ms" | "s" | "m" | "h" | "d"]     bytes = digits ["B" | "KiB" | "MiB" |
//   "GiB"]
Result<std::string> parse_setting(const Setting& setting, std::string_view text);

// MILLRACE_NAME, or the setting's own name in the environment.
std::string environment_name(const Setting& setting);

// The name in `names` that `wrong` most probably stands for; empty when none is close.
std::string nearest_name(std::string_view wrong, const std::vector<std::string>& names);

}  // namespace millrace
