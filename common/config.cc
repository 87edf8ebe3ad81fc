#include "common/config.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>

#include "common/ids.h"
#include "common/setting_value.h"

namespace millrace {
namespace {

using Values = std::map<std::string, std::string, std::less<>>;

constexpr std::string_view kApiKeys = "api_keys";
constexpr std::size_t kFileBytesMax = 1U << 20U;  // a thousand API keys are a tenth of it
constexpr std::size_t kShownBytesMax = 200;       // of a wrong value

std::string flag_name(std::string_view name) {
  std::string flag = "--" + std::string{name};
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::vector<std::string> all_names(const std::function<std::string(const Setting&)>& spell) {
  std::vector<std::string> names;
  for (const Setting& setting : settings_table()) names.push_back(spell(setting));
  return names;
}

std::string did_you_mean(std::string_view wrong, const std::vector<std::string>& names) {
  const std::string nearest = nearest_name(wrong, names);
  return nearest.empty() ? std::string{} : "; did you mean " + nearest + "?";
}

std::string shown(std::string_view text) {
  std::string clean;
  for (const char c : text.substr(0, kShownBytesMax)) {
    clean += static_cast<unsigned char>(c) < ' ' || c == '\x7F' ? '?' : c;
  }
  return "'" + clean + (text.size() > kShownBytesMax ? "…'" : "'");
}

// Kubernetes tells every pod of every service: MILLRACE_PORT=tcp://… for one named millrace.
bool is_service_link(std::string_view name, std::string_view value) {
  return name.ends_with("_SERVICE_HOST") || name.find("_SERVICE_PORT") != std::string_view::npos ||
         name.find("_TCP_") != std::string_view::npos ||
         name.find("_UDP_") != std::string_view::npos || value.starts_with("tcp://") ||
         value.starts_with("udp://");
}

// Collects values and mistakes from the sources, weakest first.
class Loader {
 public:
  Loader(Values& values, Values& origins, std::vector<ApiKeySetting>& api_keys)
      : values_{values}, origins_{origins}, api_keys_{api_keys} {}

  void defaults() {
    for (const Setting& setting : settings_table()) {
      set(setting, std::string{setting.default_value}, "default");
    }
  }

  void environment(const std::map<std::string, std::string>& variables) {
    for (const Setting& setting : settings_table()) {
      const std::string name = environment_name(setting);
      const auto found = variables.find(name);
      // Compose and CI pass on what is not set as an empty variable.
      if (found != variables.end() && !found->second.empty()) set(setting, found->second, name);
    }
    const std::vector<std::string> known = all_names(environment_name);
    for (const auto& [name, value] : variables) {
      if (!name.starts_with("MILLRACE_") || is_service_link(name, value)) continue;
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      mistake("environment variable " + name + " is not a setting" + did_you_mean(name, known));
    }
  }

  void flags(const std::map<std::string, std::string>& flags) {
    const auto spell = [](const Setting& setting) { return flag_name(setting.name); };
    for (const auto& [name, value] : flags) {
      if (const Setting* setting = find_setting(name)) {
        set(*setting, value, flag_name(name));
      } else {
        const std::string flag = flag_name(name);
        mistake(flag + " is not a setting" + did_you_mean(flag, all_names(spell)));
      }
    }
  }

  void file(const std::filesystem::path& path) {
    std::ifstream in{path, std::ios::binary};
    std::string text(kFileBytesMax + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
    if (in.bad() || (!in.eof() && in.fail()) || !in.is_open()) {
      return mistake("settings file " + shown(path.string()) +
                     " cannot be read: " + std::strerror(errno));
    }
    if (text.size() > kFileBytesMax) {
      return mistake("settings file " + shown(path.string()) + " is larger than 1 MiB");
    }
    file_ = path.filename().string();
    try {
      document(YAML::LoadAll(text));
    } catch (const YAML::Exception& error) {
      mistake(place(error.mark) + ": not YAML: " + error.msg);
    }
  }

  void cross_checks() {
    at_most("chunk_overlap_tokens", "chunk_tokens", 1);
    at_most("retry_backoff_ms", "retry_backoff_max_ms", 0);
    at_most("top_k", "top_k_max", 0);
    at_most("body_bytes_max", "uploads_in_flight_bytes_max", 0);
    at_most("body_bytes_max", "log_queue_bytes_max", 0);
    kafka_security();
    rerank();
  }

  const std::string& mistakes() const { return mistakes_; }

 private:
  void mistake(const std::string& line) { mistakes_ += (mistakes_.empty() ? "" : "\n") + line; }

  std::string place(const YAML::Mark& mark) const {
    return mark.is_null() ? file_ : file_ + ":" + std::to_string(mark.line + 1);
  }

  void set(const Setting& setting, const std::string& text, const std::string& origin) {
    const bool secret = setting.type == Setting::Type::secret;
    Result<std::string> value = parse_setting(setting, text);
    if (!value) {
      return mistake(std::string{setting.name} + ": " + (secret ? "the secret" : shown(text)) +
                     " (from " + origin + ") " + value.error().message);
    }
    values_.insert_or_assign(std::string{setting.name}, *std::move(value));
    origins_.insert_or_assign(std::string{setting.name}, origin);
  }

  void document(const std::vector<YAML::Node>& documents) {
    if (documents.empty() || (documents.size() == 1 && documents[0].IsNull())) return;
    if (documents.size() > 1 || !documents[0].IsMap()) {
      return mistake(file_ + ": is not one map of settings (NAME: VALUE)");
    }
    std::vector<std::string> known =
        all_names([](const Setting& setting) { return std::string{setting.name}; });
    known.emplace_back(kApiKeys);
    std::set<std::string> seen;
    for (const auto& entry : documents[0]) {
      const std::string at = place(entry.first.Mark());
      if (!entry.first.IsScalar()) {
        mistake(at + ": expected the name of a setting");
        continue;
      }
      const std::string name = entry.first.Scalar();
      if (!seen.insert(name).second) {
        mistake(at + ": " + shown(name) + " is there twice");
      } else if (name == kApiKeys) {
        keys(entry.second, at);
      } else if (name == "config_file" || find_setting(name) == nullptr) {
        mistake(at + ": " + shown(name) + " is not a setting of the file" +
                did_you_mean(name, known));
      } else if (!entry.second.IsScalar()) {
        mistake(at + ": " + name + " must have one value");
      } else {
        set(*find_setting(name), entry.second.Scalar(), at);
      }
    }
  }

  void keys(const YAML::Node& list, const std::string& at) {
    if (!list.IsSequence()) return mistake(at + ": api_keys must be a list of keys");
    std::set<std::string> names;
    std::set<std::string> hashes;
    for (const auto& entry : list) {
      const std::string where = place(entry.Mark()) + ": api_keys";
      ApiKeySetting key;
      if (!key_fields(entry, where, key)) continue;
      if (!names.insert(key.name).second) mistake(where + ": two keys are named " + key.name);
      if (!hashes.insert(key.sha256).second) {
        mistake(where + ": the key " + key.name + " has the sha256 of another");
      }
      api_keys_.push_back(std::move(key));
    }
  }

  bool key_fields(const YAML::Node& entry, const std::string& where, ApiKeySetting& key) {
    const std::size_t mistakes_before = mistakes_.size();
    if (!entry.IsMap()) {
      mistake(where + ": a key must be {name: …, sha256: …, role: …}");
      return false;
    }
    for (const auto& field : entry) {
      const std::string name = field.first.IsScalar() ? field.first.Scalar() : "";
      if (name == "name" || name == "sha256" || name == "role") {
        std::string& out = name == "name" ? key.name : name == "role" ? key.role : key.sha256;
        if (!out.empty()) mistake(where + ": " + name + " is there twice");
        if (field.second.IsScalar()) out = field.second.Scalar();
      } else if (name == "collections" || name == "groups") {
        strings(field.second, where + ": " + name, name == "groups" ? key.groups : key.collections);
      } else {
        mistake(where + ": " + shown(name) +
                " is not known; a key has name, sha256, role, collections, groups");
      }
    }
    check_key(where, key);
    return mistakes_.size() == mistakes_before;
  }

  void strings(const YAML::Node& list, const std::string& where, std::vector<std::string>& out) {
    const auto is_name = [](const YAML::Node& node) {
      return node.IsScalar() && !node.Scalar().empty();
    };
    // An empty list would read as "all"; whoever wants that leaves it out.
    if (!list.IsSequence() || list.size() == 0 || !std::all_of(list.begin(), list.end(), is_name)) {
      return mistake(where + " must be a list of names, or be left out");
    }
    for (const auto& node : list) out.push_back(node.Scalar());
  }

  void check_key(const std::string& where, ApiKeySetting& key) {
    constexpr std::string_view kNameCharacters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    constexpr std::size_t kNameBytesMax = 64;
    if (key.name.empty() || key.name.size() > kNameBytesMax ||
        key.name.find_first_not_of(kNameCharacters) != std::string::npos) {
      mistake(where + ": name must be 1 to 64 letters, digits, '.', '_' or '-'");
    }
    std::transform(key.sha256.begin(), key.sha256.end(), key.sha256.begin(),
                   [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
    if (key.sha256.size() != 64 ||
        key.sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
      mistake(where + ": sha256 must be 64 hexadecimal digits (printf %s KEY | sha256sum)");
    }
    if (key.role != "reader" && key.role != "writer" && key.role != "admin") {
      mistake(where + ": role must be reader, writer or admin, not " + shown(key.role));
    }
  }

  // What is said of secrets and certificates is either all there and used, or it is a mistake: it
  // would be noticed by nobody that a connection is open to everyone.
  void kafka_security() {
    const std::string& protocol = values_.find("kafka_security_protocol")->second;
    const bool sasl = protocol.starts_with("sasl_");
    for (const char* name :
         {"kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password"}) {
      must_be_set(name, sasl, sasl, protocol);
    }
    const bool tls = protocol.ends_with("ssl");
    const bool certificate = is_set("kafka_tls_certificate_file") || is_set("kafka_tls_key_file");
    must_be_set("kafka_tls_ca_file", false, tls, protocol);
    must_be_set("kafka_tls_certificate_file", certificate, tls, protocol);
    must_be_set("kafka_tls_key_file", certificate, tls, protocol);
  }

  void rerank() {
    const auto set_by = [&](std::string_view name) {
      return "is set (from " + origins_.find(name)->second + ")";
    };
    if (is_set("rerank_model") && is_set("rerank_url")) {
      mistake("rerank_url: " + set_by("rerank_url") + ", and so is rerank_model (from " +
              origins_.find("rerank_model")->second + "): set one of them");
    }
    for (const char* name : {"rerank_model_name", "rerank_api_key"}) {
      if (!is_set(name) || is_set("rerank_url")) continue;
      mistake(std::string{name} + ": " + set_by(name) + ", but has no use without rerank_url");
    }
  }

  bool is_set(std::string_view name) const { return !values_.find(name)->second.empty(); }

  void must_be_set(std::string_view name, bool needed, bool used, const std::string& protocol) {
    if (is_set(name) && !used) {
      mistake(std::string{name} + ": is set (from " + origins_.find(name)->second +
              "), but has no use with kafka_security_protocol " + protocol);
    } else if (!is_set(name) && needed) {
      mistake(std::string{name} + ": is needed with " +
              (name.starts_with("kafka_tls_") ? "the other file of the certificate"
                                              : "kafka_security_protocol " + protocol));
    }
  }

  void at_most(std::string_view small, std::string_view large, std::int64_t margin) {
    const std::int64_t low = std::stoll(values_.find(small)->second);
    const std::int64_t high = std::stoll(values_.find(large)->second);
    if (low + margin <= high) return;
    mistake(std::string{small} + ": " + std::to_string(low) + " (from " +
            origins_.find(small)->second + ") is not " + (margin > 0 ? "less than " : "at most ") +
            std::string{large} + ", which is " + std::to_string(high) + " (from " +
            origins_.find(large)->second + ")");
  }

  Values& values_;
  Values& origins_;
  std::vector<ApiKeySetting>& api_keys_;
  std::string file_;
  std::string mistakes_;
};

std::filesystem::path file_to_read(const ConfigSources& sources) {
  if (!sources.file.empty()) return sources.file;
  const auto flag = sources.flags.find("config_file");
  if (flag != sources.flags.end()) return flag->second;
  const auto variable = sources.environment.find("MILLRACE_CONFIG_FILE");
  return variable == sources.environment.end() ? std::string{} : variable->second;
}

// `types` is for the assertion only.
const std::string& value_of(const Values& values, std::string_view name,
                            [[maybe_unused]] std::initializer_list<Setting::Type> types) {
  assert(find_setting(name) != nullptr);
  assert(std::find(types.begin(), types.end(), find_setting(name)->type) != types.end());
  return values.at(std::string{name});  // throws on a name that is not in the table
}

}  // namespace

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

Result<Config> Config::load(const ConfigSources& sources) {
  Config config;
  Loader loader{config.values_, config.origins_, config.api_keys_};
  loader.defaults();
  const std::filesystem::path path = file_to_read(sources);
  if (!path.empty()) loader.file(path);
  loader.environment(sources.environment);
  loader.flags(sources.flags);
  loader.cross_checks();
  if (!loader.mistakes().empty()) return rejected(loader.mistakes());
  return config;
}

std::string Config::text(std::string_view name) const {
  return value_of(values_, name, {Setting::Type::text, Setting::Type::path, Setting::Type::secret});
}

std::int64_t Config::integer(std::string_view name) const {
  return std::stoll(value_of(
      values_, name, {Setting::Type::integer, Setting::Type::duration_ms, Setting::Type::bytes}));
}

double Config::real(std::string_view name) const {
  const std::string& text = value_of(values_, name, {Setting::Type::real});
  double number = 0;  // not stod: that would depend on the locale
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool Config::boolean(std::string_view name) const {
  return value_of(values_, name, {Setting::Type::boolean}) == "true";
}

std::string Config::describe() const {
  std::string lines;
  for (const Setting& setting : settings_table()) {
    std::string value = values_.find(setting.name)->second;
    if (setting.type == Setting::Type::secret) value = value.empty() ? "not set" : "set";
    lines += std::string{setting.name} + " = " + value + " (from " +
             origins_.find(setting.name)->second + ")\n";
  }
  return lines;
}

}  // namespace millrace
