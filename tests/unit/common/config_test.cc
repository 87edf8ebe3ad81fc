#include "common/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "common/ids.h"
#include "common/setting_value.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ConfigFile : public testing::Test {
 protected:
  ~ConfigFile() override {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  Result<Config> load(std::string_view yaml) {
    std::ofstream{path_, std::ios::binary} << yaml;
    return Config::load({.file = path_, .flags = {}, .environment = {}});
  }
  std::string mistakes(std::string_view yaml) {
    const auto config = load(yaml);
    return config ? "" : config.error().message;
  }

  std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                ("millrace-config-" + new_ulid(system_clock()) + ".yaml");
};

std::string mistakes(const ConfigSources& sources) {
  const auto config = Config::load(sources);
  if (config) return "";
  EXPECT_EQ(config.error().kind, Error::Kind::rejected);
  return config.error().message;
}

std::string flag_mistake(const std::string& name, const std::string& value) {
  return mistakes({.file = {}, .flags = {{name, value}}, .environment = {}});
}

TEST(SettingsTable, has_unique_names_with_help_and_a_default_within_its_bounds) {
  std::set<std::string_view> names;
  for (const Setting& setting : settings_table()) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_GT(setting.help.size(), 10U) << setting.name;
    EXPECT_LE(setting.min, setting.max) << setting.name;
    if (setting.type == Setting::Type::secret) {
      EXPECT_EQ(setting.default_value, "") << setting.name;
      continue;
    }
    const auto value = parse_setting(setting, setting.default_value);
    EXPECT_TRUE(value) << setting.name << " " << value.error().message;
    EXPECT_EQ(setting.type == Setting::Type::duration_ms, setting.name.ends_with("_ms"))
        << setting.name;
  }
}

TEST(Config, has_defaults_for_everything) {
  const auto config = Config::load({});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->text("listen"), "127.0.0.1:8000");
  EXPECT_EQ(config->text("openai_api_key"), "");
  EXPECT_EQ(config->integer("partitions"), 2);
  EXPECT_EQ(config->integer("body_bytes_max"), 64 << 20);
  EXPECT_EQ(config->integer("shutdown_grace_ms"), 10'000);
  EXPECT_EQ(config->real("refusal_threshold"), 0.4);
  EXPECT_TRUE(config->api_keys().empty());
}

TEST_F(ConfigFile, is_weaker_than_the_environment_and_that_than_a_flag) {
  std::ofstream{path_} << "partitions: 3\nlisten: 127.0.0.1:1\nlog_level: debug\n";
  const auto config = Config::load(
      {.file = path_,
       .flags = {{"partitions", "5"}},
       .environment = {{"MILLRACE_PARTITIONS", "4"}, {"MILLRACE_LISTEN", "127.0.0.1:2"}}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->integer("partitions"), 5);
  EXPECT_EQ(config->text("listen"), "127.0.0.1:2");
  EXPECT_EQ(config->text("log_level"), "debug");
  EXPECT_THAT(config->describe(), HasSubstr("partitions = 5 (from --partitions)\n"));
  EXPECT_THAT(config->describe(), HasSubstr("listen = 127.0.0.1:2 (from MILLRACE_LISTEN)\n"));
  EXPECT_THAT(config->describe(),
              HasSubstr("log_level = debug (from " + path_.filename().string() + ":3)\n"));
  EXPECT_THAT(config->describe(), HasSubstr("data_dir = millrace-data (from default)\n"));
}

TEST_F(ConfigFile, is_found_through_its_setting) {
  std::ofstream{path_} << "partitions: 3\n";
  const std::string path = path_.string();
  const auto by_flag =
      Config::load({.file = {}, .flags = {{"config_file", path}}, .environment = {}});
  const auto by_variable =
      Config::load({.file = {}, .flags = {}, .environment = {{"MILLRACE_CONFIG_FILE", path}}});
  ASSERT_TRUE(by_flag);
  ASSERT_TRUE(by_variable);
  EXPECT_EQ(by_flag->integer("partitions"), 3);
  EXPECT_EQ(by_variable->integer("partitions"), 3);
}

TEST(Config, reads_durations_and_sizes_with_units) {
  const auto config = Config::load({.file = {},
                                    .flags = {{"idle_timeout_ms", "2m"},
                                              {"search_timeout_ms", "250ms"},
                                              {"answer_timeout_ms", "5000"},
                                              {"log_trim_interval_ms", "1d"},
                                              {"header_bytes_max", "512KiB"},
                                              {"poll_bytes_max", "1GiB"},
                                              {"log_queue_bytes_max", "67108864"}},
                                    .environment = {}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->integer("idle_timeout_ms"), 120'000);
  EXPECT_EQ(config->integer("search_timeout_ms"), 250);
  EXPECT_EQ(config->integer("answer_timeout_ms"), 5000);
  EXPECT_EQ(config->integer("log_trim_interval_ms"), 86'400'000);
  EXPECT_EQ(config->integer("header_bytes_max"), 512 << 10);
  EXPECT_EQ(config->integer("poll_bytes_max"), 1 << 30);
  EXPECT_EQ(config->integer("log_queue_bytes_max"), 64 << 20);
}

TEST(Config, refuses_values_out_of_bounds_or_of_another_kind) {
  for (const std::string value :
       {"0", "1025", "two", "2.5", "", " 2", "+2", "99999999999999999999"}) {
    EXPECT_THAT(flag_mistake("partitions", value),
                HasSubstr("(from --partitions) is not a whole number from 1 to 1024"))
        << value;
  }
  for (const std::string value : {"5 s", "5sec", "-5s", "s", "1.5s", "9223372036854775807d"}) {
    EXPECT_THAT(flag_mistake("idle_timeout_ms", value), HasSubstr("is not a time")) << value;
  }
  for (const std::string value : {"5MB", "5 MiB", "99999999999GiB", "MiB"}) {
    EXPECT_THAT(flag_mistake("body_bytes_max", value), HasSubstr("is not a size")) << value;
  }
  for (const std::string value : {"nan", "inf", "-0.1", "2.1", "0,5", "0.5x"}) {
    EXPECT_THAT(flag_mistake("answer_temperature", value), HasSubstr("is not a number from 0 to 2"))
        << value;
  }
}

TEST(Config, checks_the_shape_of_texts) {
  EXPECT_EQ(flag_mistake("listen", "localhost"),
            "listen: 'localhost' (from --listen) is not HOST:PORT, such as 127.0.0.1:8000 or "
            "[::1]:8000");
  for (const std::string good : {"[::1]:8000", "0.0.0.0:0", "example.org:65535"}) {
    EXPECT_EQ(flag_mistake("listen", good), "") << good;
  }
  for (const std::string bad :
       {":8000", "::1:8000", "a b:1", "a:65536", "a:-1", "a:", "http://a:1"}) {
    EXPECT_NE(flag_mistake("listen", bad), "") << bad;
  }
  EXPECT_NE(flag_mistake("log_level", "loud"), "");
  EXPECT_EQ(flag_mistake("openai_base_url", "http://127.0.0.1:11434/v1"), "");
  for (const std::string bad :
       {"127.0.0.1:11434", "ftp://x", "http://", "http://a b", "http://u:p@h/"}) {
    EXPECT_NE(flag_mistake("openai_base_url", bad), "") << bad;
  }
  EXPECT_NE(flag_mistake("data_dir", ""), "");
  EXPECT_NE(flag_mistake("data_dir", std::string("a\0b", 3)), "");
}

TEST(Config, takes_one_re_ranker_at_most_and_its_server_s_settings_with_a_server_only) {
  const auto mistake = [](std::map<std::string, std::string> flags) {
    const auto config = Config::load({.file = {}, .flags = std::move(flags), .environment = {}});
    return config ? "" : config.error().message;
  };
  const std::string url = "http://127.0.0.1:1/rerank";
  EXPECT_EQ(mistake({{"rerank_model", "/models/r"}, {"rerank_top", "200"}}), "");
  EXPECT_EQ(mistake({{"rerank_url", url}, {"rerank_model_name", "r"}, {"rerank_api_key", "k"}}),
            "");
  EXPECT_EQ(mistake({{"rerank_url", url}, {"rerank_model", "/models/r"}}),
            "rerank_url: is set (from --rerank-url), and so is rerank_model (from --rerank-model): "
            "set one of them");
  EXPECT_EQ(mistake({{"rerank_model_name", "r"}}),
            "rerank_model_name: is set (from --rerank-model-name), but has no use without "
            "rerank_url");
  EXPECT_THAT(mistake({{"rerank_model", "/models/r"}, {"rerank_api_key", "s3cret"}}),
              AllOf(HasSubstr("rerank_api_key: is set"), Not(HasSubstr("s3cret"))));
  EXPECT_THAT(mistake({{"rerank_url", "127.0.0.1:1/rerank"}}), HasSubstr("is not an http"));
  EXPECT_NE(mistake({{"rerank_top", "1"}}), "");
  EXPECT_NE(mistake({{"rerank_top", "201"}}), "");
  EXPECT_NE(mistake({{"rerank_timeout_ms", "0"}}), "");
}

TEST(Config, reads_the_variables_that_opentelemetry_has_names_for) {
  const auto config =
      Config::load({.file = {},
                    .flags = {},
                    .environment = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"},
                                    {"OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20s3cret"},
                                    {"OTEL_SERVICE_NAME", "rag"}}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->text("otlp_endpoint"), "http://127.0.0.1:4318");
  EXPECT_EQ(config->text("otlp_service_name"), "rag");
  EXPECT_EQ(config->real("trace_sample_ratio"), 1);
  EXPECT_THAT(config->describe(), Not(HasSubstr("s3cret")));
  EXPECT_NE(flag_mistake("otlp_endpoint", "127.0.0.1:4318"), "");
  EXPECT_NE(flag_mistake("trace_sample_ratio", "1.5"), "");
  EXPECT_THAT(flag_mistake("otlp_headers", "s3cret"),
              AllOf(HasSubstr("otlp_headers"), HasSubstr("NAME=VALUE"), Not(HasSubstr("s3cret"))));
}

TEST(Config, never_shows_a_secret) {
  const std::string mistake =
      mistakes({.file = {}, .flags = {}, .environment = {{"OPENAI_API_KEY", "sk-123 456"}}});
  EXPECT_THAT(mistake, AllOf(HasSubstr("openai_api_key"), HasSubstr("(from OPENAI_API_KEY)"),
                             Not(HasSubstr("123"))));
  const auto config =
      Config::load({.file = {}, .flags = {}, .environment = {{"OPENAI_API_KEY", "sk-123456"}}});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->text("openai_api_key"), "sk-123456");
  EXPECT_THAT(config->describe(),
              AllOf(HasSubstr("openai_api_key = set (from OPENAI_API_KEY)\n"),
                    HasSubstr("\napi_key = not set (from default)\n"), Not(HasSubstr("123456"))));
}

TEST(Config, suggests_the_nearest_name_for_an_unknown_one) {
  const std::string variable = mistakes(
      {.file = {}, .flags = {}, .environment = {{"MILLRACE_LISTN", "x"}, {"PATH", "/bin"}}});
  EXPECT_EQ(variable,
            "environment variable MILLRACE_LISTN is not a setting; did you mean MILLRACE_LISTEN?");
  EXPECT_EQ(flag_mistake("data_dirr", "x"),
            "--data-dirr is not a setting; did you mean --data-dir?");
  EXPECT_EQ(flag_mistake("zzzzzzzzzzzz", "x"), "--zzzzzzzzzzzz is not a setting");
}

TEST(Config, passes_over_empty_variables_and_the_service_links_of_kubernetes) {
  const auto config = Config::load({.file = {},
                                    .flags = {},
                                    .environment = {{"MILLRACE_PARTITIONS", ""},
                                                    {"MILLRACE_PORT", "tcp://10.0.0.1:8000"},
                                                    {"MILLRACE_SERVICE_HOST", "10.0.0.1"},
                                                    {"MILLRACE_SERVICE_PORT_HTTP", "8000"},
                                                    {"MILLRACE_PORT_8000_TCP_ADDR", "10.0.0.1"}}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->integer("partitions"), 2);
}

TEST(Config, reports_all_mistakes_at_once) {
  const std::string all = mistakes({.file = {},
                                    .flags = {{"listen", "x"}, {"partitions", "0"}},
                                    .environment = {{"MILLRACE_TOP_K", "many"}}});
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 2) << all;
  EXPECT_THAT(all, AllOf(HasSubstr("listen:"), HasSubstr("partitions:"), HasSubstr("top_k:")));
}

TEST(Config, checks_settings_against_each_other) {
  EXPECT_EQ(flag_mistake("chunk_tokens", "32"),
            "chunk_overlap_tokens: 32 (from default) is not less than chunk_tokens, which is 32 "
            "(from --chunk-tokens)");
  EXPECT_THAT(flag_mistake("top_k", "200"), HasSubstr("is not at most top_k_max"));
  EXPECT_THAT(flag_mistake("body_bytes_max", "512MiB"), HasSubstr("log_queue_bytes_max"));
}

TEST(Config, checks_the_shape_of_what_is_said_to_kafka) {
  for (const std::string good : {"", "kafka:9092", "10.0.0.1:9092,[::1]:9093,b-2.example.org:1"}) {
    EXPECT_EQ(flag_mistake("brokers", good), "") << good;
  }
  for (const std::string bad : {"kafka", "kafka:9092,", ",kafka:9092", "a:1,,b:2", "a:1 b:2"}) {
    EXPECT_THAT(flag_mistake("brokers", bad), HasSubstr("(from --brokers) is not HOST:PORT"))
        << bad;
  }
  EXPECT_EQ(flag_mistake("kafka_prefix", "team-a.test_1."), "");
  EXPECT_NE(flag_mistake("kafka_prefix", "team/a"), "");
  EXPECT_NE(flag_mistake("kafka_instance", std::string(101, 'a')), "");
  EXPECT_NE(flag_mistake("kafka_security_protocol", "SASL_SSL"), "");
  EXPECT_NE(flag_mistake("kafka_sasl_mechanism", "GSSAPI"), "");
  EXPECT_NE(flag_mistake("admin_listen", "9100"), "");
}

TEST(Config, wants_a_secured_connection_to_kafka_whole_or_not_at_all) {
  const auto kafka = [](std::map<std::string, std::string> flags) {
    return mistakes({.file = {}, .flags = std::move(flags), .environment = {}});
  };
  const std::string nothing = kafka({{"kafka_security_protocol", "sasl_ssl"}});
  EXPECT_THAT(nothing, AllOf(HasSubstr("kafka_sasl_mechanism: is needed with"),
                             HasSubstr("kafka_sasl_username: is needed with"),
                             HasSubstr("kafka_sasl_password: is needed with")));
  const std::string unused = kafka({{"kafka_sasl_password", "s3cret"}});
  EXPECT_EQ(unused,
            "kafka_sasl_password: is set (from --kafka-sasl-password), but has no use with "
            "kafka_security_protocol plaintext");
  EXPECT_THAT(kafka({{"kafka_security_protocol", "sasl_plaintext"},
                     {"kafka_sasl_mechanism", "PLAIN"},
                     {"kafka_sasl_username", "me"},
                     {"kafka_sasl_password", "s3cret"},
                     {"kafka_tls_ca_file", "ca.pem"}}),
              HasSubstr("kafka_tls_ca_file: is set"));
  EXPECT_THAT(kafka({{"kafka_security_protocol", "ssl"}, {"kafka_tls_key_file", "key.pem"}}),
              HasSubstr("kafka_tls_certificate_file: is needed"));
  EXPECT_EQ(kafka({{"kafka_security_protocol", "ssl"},
                   {"kafka_tls_certificate_file", "cert.pem"},
                   {"kafka_tls_key_file", "key.pem"}}),
            "");
}

TEST_F(ConfigFile, names_the_line_of_a_mistake) {
  const std::string name = path_.filename().string();
  EXPECT_EQ(mistakes("\nlisten: x\n").rfind("listen: 'x' (from " + name + ":2) is not", 0), 0U);
  EXPECT_EQ(mistakes("partitons: 2"),
            name + ":1: 'partitons' is not a setting of the file; did you mean partitions?");
  EXPECT_THAT(mistakes("top_k: 1\ntop_k: 2"), HasSubstr(name + ":2: 'top_k' is there twice"));
  EXPECT_THAT(mistakes("top_k: [1]"), HasSubstr("must have one value"));
  EXPECT_THAT(mistakes("top_k:"), HasSubstr("must have one value"));
  EXPECT_THAT(mistakes("- a"), HasSubstr("is not one map"));
  EXPECT_THAT(mistakes("top_k: 1\n---\ntop_k: 2"), HasSubstr("is not one map"));
  EXPECT_THAT(mistakes("a: [1\nb: }"), HasSubstr("not YAML"));
  EXPECT_THAT(mistakes("config_file: x"), HasSubstr("is not a setting of the file"));
  EXPECT_THAT(mistakes("? [a]\n: 1"), HasSubstr("expected the name of a setting"));
  EXPECT_EQ(mistakes(""), "");
  EXPECT_EQ(mistakes("# nothing\n"), "");
}

TEST_F(ConfigFile, must_be_readable_and_of_a_bounded_size) {
  EXPECT_THAT(millrace::mistakes({.file = path_, .flags = {}, .environment = {}}),
              HasSubstr("cannot be read"));
  EXPECT_THAT(millrace::mistakes(
                  {.file = std::filesystem::temp_directory_path(), .flags = {}, .environment = {}}),
              HasSubstr("cannot be read"));
  EXPECT_THAT(mistakes("#" + std::string(1 << 20, 'x')), HasSubstr("larger than 1 MiB"));
}

TEST_F(ConfigFile, survives_deep_nesting) {
  EXPECT_NE(mistakes("a: " + std::string(100'000, '[')), "");
}

TEST_F(ConfigFile, holds_api_keys) {
  const std::string hash(64, 'A');
  const auto config = load("api_keys:\n  - {name: ci, sha256: " + hash +
                           ", role: writer, collections: [docs, wiki], groups: [staff]}\n"
                           "  - name: ops\n    sha256: " +
                           std::string(64, '1') + "\n    role: admin\n");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->api_keys().size(), 2U);
  const ApiKeySetting& key = config->api_keys()[0];
  EXPECT_EQ(key.name, "ci");
  EXPECT_EQ(key.sha256, std::string(64, 'a'));
  EXPECT_EQ(key.role, "writer");
  EXPECT_THAT(key.collections, ElementsAre("docs", "wiki"));
  EXPECT_THAT(key.groups, ElementsAre("staff"));
  EXPECT_TRUE(config->api_keys()[1].collections.empty());
}

TEST_F(ConfigFile, refuses_api_keys_that_are_not_whole) {
  const auto entry = [](const std::string& name, const std::string& hash, const std::string& rest) {
    return "  - {name: " + name + ", sha256: " + hash + ", " + rest + "}\n";
  };
  const std::string a(64, 'a');
  const std::string b(64, 'b');
  const std::string head = "api_keys:\n";
  EXPECT_THAT(mistakes(head + entry("x", "abc", "role: reader")), HasSubstr("64 hexadecimal"));
  EXPECT_THAT(mistakes(head + entry("x", a, "role: owner")),
              HasSubstr("role must be reader, writer or admin, not 'owner'"));
  EXPECT_THAT(mistakes(head + entry("a b", a, "role: reader")), HasSubstr("name must be"));
  EXPECT_THAT(mistakes(head + entry("x", a, "role: reader, key: plain")),
              HasSubstr("'key' is not known"));
  EXPECT_THAT(mistakes(head + entry("x", a, "role: reader, collections: []")),
              HasSubstr("collections must be a list"));
  EXPECT_THAT(mistakes(head + entry("x", a, "role: reader, groups: staff")),
              HasSubstr("groups must be a list"));
  EXPECT_THAT(mistakes(head + entry("x", a, "role: reader") + entry("x", b, "role: reader")),
              HasSubstr("two keys are named x"));
  EXPECT_THAT(mistakes(head + entry("x", a, "role: reader") + entry("y", a, "role: reader")),
              HasSubstr("the sha256 of another"));
  EXPECT_THAT(mistakes(head + "  - {name: x}\n"), AllOf(HasSubstr("sha256"), HasSubstr("role")));
  EXPECT_THAT(mistakes("api_keys: {a: 1}"), HasSubstr("must be a list"));
  EXPECT_THAT(mistakes("api_keys: [1]"), HasSubstr("a key must be"));
}

TEST(SettingValue, reads_booleans) {
  const Setting row{"flag", Setting::Type::boolean, "false", 0, 0, "for this test", ""};
  for (const std::string yes : {"true", "yes", "on", "1"})
    EXPECT_EQ(*parse_setting(row, yes), "true");
  for (const std::string no : {"false", "no", "off", "0"})
    EXPECT_EQ(*parse_setting(row, no), "false");
  EXPECT_FALSE(parse_setting(row, "maybe"));
  EXPECT_EQ(environment_name(row), "MILLRACE_FLAG");
}

TEST(ProcessEnvironment, holds_the_variables_of_the_process) {
  ASSERT_EQ(setenv("MILLRACE_TEST_ONLY", "a=b", 1), 0);
  const auto variables = process_environment();
  ASSERT_EQ(unsetenv("MILLRACE_TEST_ONLY"), 0);
  const auto found = variables.find("MILLRACE_TEST_ONLY");
  ASSERT_NE(found, variables.end());
  EXPECT_EQ(found->second, "a=b");
}

}  // namespace
}  // namespace millrace
