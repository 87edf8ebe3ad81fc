#pragma once

#include <string>
#include <string_view>

namespace millrace {

// All but a-z A-Z 0-9 - . _ ~ (RFC 3986, section 2.3) as %XX: what is left fits into one segment of
// a path, and into a query. Those of `also` stay as well.
std::string percent_encode(std::string_view text, std::string_view also = {});

// False on a broken escape. `plus_is_space`: as in forms.
bool percent_decode(std::string_view text, bool plus_is_space, std::string& out);

}  // namespace millrace
