#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace millrace {

// One row per setting. Flag --NAME with '_' as '-', environment MILLRACE_NAME in capitals (or
// `environment` where the world has a name for it), the same NAME in the settings file (YAML).
struct Setting {
  enum class Type { text, integer, real, boolean, duration_ms, bytes, path, secret };
  std::string_view name;
  Type type;
  std::string_view default_value;
  std::int64_t min;  // of integer, real, duration and bytes
  std::int64_t max;
  std::string_view help;
  std::string_view environment;  // empty: MILLRACE_NAME
};

// Every setting of every process, in the order in which --help shows them. The rows are in
// settings_table.cc.
std::span<const Setting> settings_table();
const Setting* find_setting(std::string_view name);  // null: there is none

// What an API key may do. From the settings file only:
//   api_keys:
//     - {name: ci, sha256: HEX, role: writer, collections: [docs], groups: [staff]}
struct ApiKeySetting {
  std::string name;
  std::string sha256;                    // of the key, hex
  std::string role;                      // reader, writer, admin
  std::vector<std::string> collections;  // empty: all
  std::vector<std::string> groups;       // for documents with an allow list
};

// Where values come from, weakest first: default, file, environment, flag.
struct ConfigSources {
  std::filesystem::path file;                // empty: what the setting config_file says
  std::map<std::string, std::string> flags;  // by setting name
  std::map<std::string, std::string> environment;
};
std::map<std::string, std::string> process_environment();  // the only getenv of the repository

// All settings, checked. Components get small typed structs made from it, never the whole.
class Config {
 public:
  // `rejected`, with all mistakes at once: one per line, what is wrong and what would be right.
  static Result<Config> load(const ConfigSources& sources);

  // Asserted: the name is in the table and has this type.
  std::string text(std::string_view name) const;      // text, path and secret
  std::int64_t integer(std::string_view name) const;  // integer, duration_ms and bytes
  double real(std::string_view name) const;
  bool boolean(std::string_view name) const;
  const std::vector<ApiKeySetting>& api_keys() const { return api_keys_; }

  // "name = value (from flag)" lines, secrets as "set" or "not set".
  std::string describe() const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
  std::map<std::string, std::string, std::less<>> origins_;
  std::vector<ApiKeySetting> api_keys_;
};

}  // namespace millrace
