#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/ssl.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "common/http_client.h"
#include "common/ids.h"
#include "unit/common/scripted_server.h"

namespace millrace {
namespace {

namespace ssl = boost::asio::ssl;
using ::testing::HasSubstr;

// A self-signed certificate for `names` (subjectAltName), as PEM.
struct Identity {
  explicit Identity(const std::string& names) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{EVP_EC_gen("P-256"),
                                                                  EVP_PKEY_free};
    const std::unique_ptr<X509, decltype(&X509_free)> x509{X509_new(), X509_free};
    X509_set_version(x509.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), ++serial());
    X509_gmtime_adj(X509_getm_notBefore(x509.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
    X509_set_pubkey(x509.get(), key.get());
    X509_NAME* subject = X509_get_subject_name(x509.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(names.c_str()), -1, -1, 0);
    X509_set_issuer_name(x509.get(), subject);
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(x509.get(), extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(x509.get(), key.get(), EVP_sha256());
    certificate = pem([&](BIO* out) { PEM_write_bio_X509(out, x509.get()); });
    private_key = pem([&](BIO* out) {
      PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

  std::string certificate;
  std::string private_key;

 private:
  static int& serial() {
    static int number = 0;
    return number;
  }
  template <class Write>
  static std::string pem(Write write) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out{BIO_new(BIO_s_mem()), BIO_free};
    write(out.get());
    char* text = nullptr;
    const auto length = static_cast<std::size_t>(BIO_get_mem_data(out.get(), &text));
    return {text, length};
  }
};

class HttpsClient : public testing::Test {
 protected:
  // The client reads its trusted certificates once per process: set before the first exchange.
  static void SetUpTestSuite() {
    trusted_ = std::make_unique<Identity>("DNS:localhost,IP:127.0.0.1");
    elsewhere_ = std::make_unique<Identity>("DNS:elsewhere.example");
    path_ = std::filesystem::temp_directory_path() /
            ("millrace-trust-" + new_ulid(system_clock()) + ".pem");
    std::FILE* file = std::fopen(path_.c_str(), "w");
    ASSERT_NE(file, nullptr);
    std::fputs((trusted_->certificate + elsewhere_->certificate).c_str(), file);
    std::fclose(file);
    setenv("SSL_CERT_FILE", path_.c_str(), 1);
  }
  static void TearDownTestSuite() {
    std::filesystem::remove(path_);
    unsetenv("SSL_CERT_FILE");
    trusted_.reset();
    elsewhere_.reset();
  }

  // What the client gets from a server with this certificate.
  static Result<HttpResponse> ask(const Identity& identity, const std::string& host,
                                  std::string_view response) {
    ScriptedServer server{[&](ScriptedServer::Socket& socket) {
      ssl::context context{ssl::context::tls_server};
      context.use_certificate(boost::asio::buffer(identity.certificate), ssl::context::pem);
      context.use_private_key(boost::asio::buffer(identity.private_key), ssl::context::pem);
      ssl::stream<ScriptedServer::Socket&> stream{socket, context};
      boost::system::error_code error;
      stream.handshake(ssl::stream_base::server, error);
      if (error) return;
      read_request(stream);
      send(stream, response);
    }};
    HttpRequest request;
    request.url = "https://" + host + ":" + server.port() + "/";
    return http_exchange_blocking(request);
  }

  static std::unique_ptr<Identity> trusted_;
  static std::unique_ptr<Identity> elsewhere_;
  static std::filesystem::path path_;
};
std::unique_ptr<Identity> HttpsClient::trusted_;
std::unique_ptr<Identity> HttpsClient::elsewhere_;
std::filesystem::path HttpsClient::path_;

constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

TEST_F(HttpsClient, talks_to_a_server_whose_certificate_it_trusts_by_name_and_by_address) {
  for (const std::string_view host : {"localhost", "127.0.0.1"}) {
    const auto response = ask(*trusted_, std::string{host}, kHello);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, "hello");
  }
}

TEST_F(HttpsClient, refuses_a_certificate_for_another_host) {
  const auto response = ask(*elsewhere_, "localhost", kHello);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("certificate verify failed"));
}

TEST_F(HttpsClient, refuses_a_certificate_that_nobody_signed) {
  const Identity stranger{"DNS:localhost,IP:127.0.0.1"};
  const auto response = ask(stranger, "localhost", kHello);
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().message, HasSubstr("certificate verify failed"));
}

TEST_F(HttpsClient, does_not_take_a_cut_connection_for_the_end_of_a_body) {
  const auto response = ask(*trusted_, "localhost", "HTTP/1.1 200 OK\r\n\r\nhalf of it");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Error::Kind::retryable);
}

}  // namespace
}  // namespace millrace
