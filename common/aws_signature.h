#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/http_client.h"

namespace millrace {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // may be empty
};

// Signs a request to S3 with AWS Signature Version 4 ("Authenticating Requests: Using the
// Authorization Header"), the body included: adds the headers x-amz-date, x-amz-content-sha256,
// x-amz-security-token where there is a token, and authorization. Every header that the request has
// is signed. The URL's path and query must be percent-encoded as RFC 3986 says. `rejected` for a
// URL that is none.
Status sign_for_s3(HttpRequest& request, const AwsCredentials& credentials, std::string_view region,
                   Clock::Wall now);

}  // namespace millrace
