#include "common/aws_signature.h"

#include <gmock/gmock.h>

namespace millrace {
namespace {

using ::testing::HasSubstr;

// The examples of Amazon's page "Signature Calculations for the Authorization Header".
const AwsCredentials kCredentials{"AKIAIOSFODNN7EXAMPLE",
                                  "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
const Clock::Wall kNow = std::chrono::sys_days{std::chrono::year{2013} / 5 / 24};
constexpr const char* kHost = "https://examplebucket.s3.amazonaws.com";

std::string signed_request(HttpRequest request) {
  const Status done = sign_for_s3(request, kCredentials, "us-east-1", kNow);
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_EQ(request.headers["x-amz-date"], "20130524T000000Z");
  return request.headers["authorization"];
}

TEST(AwsSignature, of_reading_an_object) {
  HttpRequest request;
  request.url = std::string{kHost} + "/test.txt";
  request.headers["Range"] = "bytes=0-9";
  EXPECT_EQ(signed_request(request),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(AwsSignature, of_writing_an_object) {
  HttpRequest request;
  request.method = "PUT";
  request.url = std::string{kHost} + "/test%24file.text";
  request.headers["Date"] = "Fri, 24 May 2013 00:00:00 GMT";
  request.headers["x-amz-storage-class"] = "REDUCED_REDUNDANCY";
  request.body = "Welcome to Amazon S3.";
  EXPECT_THAT(
      signed_request(request),
      HasSubstr("Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST(AwsSignature, of_a_parameter_without_a_value) {
  HttpRequest request;
  request.url = std::string{kHost} + "/?lifecycle";
  EXPECT_THAT(
      signed_request(request),
      HasSubstr("Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
}

TEST(AwsSignature, of_listing_a_bucket_whatever_the_order_of_parameters) {
  for (const char* query : {"/?max-keys=2&prefix=J", "/?prefix=J&max-keys=2"}) {
    HttpRequest request;
    request.url = std::string{kHost} + query;
    EXPECT_THAT(
        signed_request(request),
        HasSubstr("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
  }
}

TEST(AwsSignature, covers_the_token_of_temporary_credentials) {
  HttpRequest request;
  request.url = std::string{kHost} + "/test.txt";
  AwsCredentials credentials = kCredentials;
  credentials.session_token = "TOKEN";
  ASSERT_TRUE(sign_for_s3(request, credentials, "us-east-1", kNow));
  EXPECT_EQ(request.headers["x-amz-security-token"], "TOKEN");
  EXPECT_THAT(request.headers["authorization"], HasSubstr("x-amz-security-token"));
}

}  // namespace
}  // namespace millrace
