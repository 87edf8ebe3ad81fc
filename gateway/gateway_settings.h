#pragma once

#include "common/config.h"
#include "gateway/gateway.h"

namespace millrace {

GatewayOptions gateway_options(const Config& config, int generation);
S3Options s3_options(const Config& config);

}  // namespace millrace
