#include "workers/extractor/sandbox.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include "samples.h"
#include "workers/extractor/sandbox_confine.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

DocumentRef named(std::string name) {
  DocumentRef document;
  document.name = std::move(name);
  return document;
}

std::string refusal(const Result<ExtractedText>& text) {
  if (text) return "no error";
  EXPECT_EQ(text.error().kind, Error::Kind::rejected);
  return text.error().message;
}

std::unique_ptr<Sandbox> misbehaving(SandboxOptions options = {}) {
  options.program = MISBEHAVING_CHILD;
  return make_sandbox(std::move(options));
}

// The running child of this process, by its name; 0 when there is none.
pid_t find_child() {
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    std::ifstream stat{entry.path() / "stat"};
    std::ifstream command{entry.path() / "cmdline"};
    std::string id;
    std::string name;
    std::string state;
    pid_t parent = 0;
    std::string arguments;
    if (stat >> id >> name >> state >> parent && parent == getpid() && state != "Z" &&
        std::getline(command, arguments) && arguments.starts_with("millrace-extraction")) {
      return std::stoi(id);
    }
  }
  return 0;
}

TEST(Sandbox, reads_every_format_in_the_child) {
  const auto sandbox = make_sandbox({});
  const std::string docx = make_docx("<w:p><w:r><w:t>text</w:t></w:r></w:p>");
  const std::string pdf = make_pdf({{text_at(72, 700, "text")}, ""});
  for (const auto& [name, bytes] :
       std::vector<std::pair<std::string, std::string>>{{"a.txt", "text"},
                                                        {"a.md", "# text"},
                                                        {"a.html", "<p>text"},
                                                        {"a.csv", "text"},
                                                        {"a.json", "[\"text\"]"},
                                                        {"a.jsonl", "\"text\""},
                                                        {"a.docx", docx},
                                                        {"a.pdf", pdf}}) {
    const auto text = sandbox->extract(bytes, named(name));
    ASSERT_TRUE(text) << name << ": " << text.error().message;
    EXPECT_EQ(text->text, "text") << name;
    EXPECT_EQ(block_texts(*text).size(), 1U);
  }
}

TEST(Sandbox, uses_the_charset_that_came_with_the_file) {
  DocumentRef document = named("a.txt");
  document.media_type = "text/plain; Charset=\"ISO-8859-2\"";
  const auto text = make_sandbox({})->extract("\xB3\xF3\x64\xBC", document);
  ASSERT_TRUE(text);
  EXPECT_EQ(text->text, "łódź");
}

TEST(Sandbox, passes_on_what_is_wrong_with_a_file) {
  const auto sandbox = make_sandbox({});
  EXPECT_THAT(refusal(sandbox->extract("%PDF-1.4 no", named("a.pdf"))), HasSubstr("broken"));
  EXPECT_THAT(refusal(sandbox->extract("{", named("a.json"))), HasSubstr("JSON"));
  EXPECT_THAT(refusal(sandbox->extract("", named("a.txt"))), HasSubstr("empty"));
  EXPECT_TRUE(sandbox->extract("text", named("a.txt")));
}

TEST(Sandbox, passes_its_limits_to_the_child) {
  SandboxOptions options;
  options.limits.output_bytes_max = 10;
  const auto sandbox = make_sandbox(options);
  EXPECT_THAT(refusal(sandbox->extract("more than ten bytes", named("a.txt"))),
              HasSubstr("10 bytes"));
}

TEST(Sandbox, ends_a_file_that_takes_too_long_and_reads_the_next) {
  SandboxOptions options;
  options.wall_time_max = 1s;
  const auto sandbox = misbehaving(options);
  EXPECT_THAT(refusal(sandbox->extract("hang", {})), HasSubstr("longer than 1 s "));
  EXPECT_TRUE(sandbox->extract("next", {}));
}

TEST(Sandbox, ends_a_file_that_computes_too_long_and_reads_the_next) {
  SandboxOptions options;
  options.cpu_time_max = 1s;
  options.wall_time_max = 120s;
  const auto sandbox = misbehaving(options);
  EXPECT_THAT(refusal(sandbox->extract("compute", {})), HasSubstr("longer than 1 s of computing"));
  EXPECT_TRUE(sandbox->extract("next", {}));
}

TEST(Sandbox, limits_the_computing_of_the_child) {
  SandboxOptions options;
  options.cpu_time_max = 1000s;
  const auto sandbox = make_sandbox(options);
  ASSERT_TRUE(sandbox->extract("text", named("a.txt")));
  rlimit cpu{};
  ASSERT_EQ(prlimit(find_child(), RLIMIT_CPU, nullptr, &cpu), 0);
  EXPECT_GT(cpu.rlim_cur, 1000U);
  EXPECT_LT(cpu.rlim_cur, 1100U);  // and what the child needed to start
}

TEST(Sandbox, refuses_a_file_that_needs_too_much_memory_and_reads_the_next) {
  if (!kMemoryCanBeLimited) GTEST_SKIP() << "sanitizers need terabytes of address space";
  SandboxOptions options;
  options.memory_bytes_max = 256U << 20U;
  const auto sandbox = make_sandbox(options);
  std::string page = "<!doctype html>";
  for (int i = 0; i < 3'000'000; ++i) page += "<p>";  // a node of 200 bytes each
  EXPECT_THAT(refusal(sandbox->extract(page, named("a.html"))),
              HasSubstr("more memory than 256 MiB"));
  EXPECT_THAT(refusal(sandbox->extract(std::string(65U << 20U, 'x'), named("a.txt"))),
              HasSubstr("larger than 64 MiB"));
  EXPECT_TRUE(sandbox->extract("next", named("a.txt")));
}

TEST(Sandbox, blames_a_file_that_crashes_its_parser_and_reads_the_next) {
  const auto sandbox = misbehaving();
  EXPECT_THAT(refusal(sandbox->extract("crash", {})), HasSubstr("crashed its parser (Aborted)"));
  EXPECT_THAT(refusal(sandbox->extract("exit", {})), HasSubstr("exit code 9"));
  EXPECT_TRUE(sandbox->extract("next", {}));
}

TEST(Sandbox, does_not_blame_a_file_for_a_child_that_died_before_it) {
  const auto sandbox = make_sandbox({});
  ASSERT_TRUE(sandbox->extract("one", named("a.txt")));
  const pid_t child = find_child();
  ASSERT_GT(child, 0);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  EXPECT_TRUE(sandbox->extract("two", named("a.txt")));
  EXPECT_NE(find_child(), child);
}

TEST(Sandbox, is_unavailable_when_no_child_lives_long_enough) {
  const auto text = misbehaving()->extract("die unread", {});
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().kind, Error::Kind::unavailable);
}

TEST(Sandbox, is_unavailable_when_the_program_cannot_be_started_or_does_not_serve) {
  for (const char* program : {"/nonexistent/program", "/bin/true"}) {
    SandboxOptions options;
    options.program = program;
    const auto text = make_sandbox(options)->extract("text", {});
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().kind, Error::Kind::unavailable);
  }
}

TEST(Sandbox, believes_no_nonsense_of_a_child_that_was_taken_over) {
  const auto sandbox = misbehaving();
  EXPECT_THAT(refusal(sandbox->extract("nonsense", {})), HasSubstr("nonsense"));
  EXPECT_THAT(refusal(sandbox->extract("endless", {})), HasSubstr("nonsense"));
  EXPECT_THAT(refusal(sandbox->extract("huge", {})), HasSubstr("nonsense"));
  EXPECT_EQ(refusal(sandbox->extract("fail", {})), "the file cannot be read: some failure");
}

TEST(Sandbox, leaves_the_child_no_way_out) {
  const std::string found = refusal(misbehaving()->extract("break out", {}));
  EXPECT_THAT(found, HasSubstr("confined "));
  EXPECT_THAT(found, HasSubstr("open=refused"));
  EXPECT_THAT(found, Not(HasSubstr("ALLOWED")));
  EXPECT_FALSE(std::filesystem::exists("/tmp/millrace-sandbox-escape"));
}

TEST(Sandbox, gives_the_child_no_environment) {
  EXPECT_EQ(refusal(misbehaving()->extract("environment", {})), "clean");
}

TEST(Sandbox, leaves_no_child_behind) {
  {
    const auto sandbox = make_sandbox({});
    ASSERT_TRUE(sandbox->extract("one", named("a.txt")));
    ASSERT_GT(find_child(), 0);
  }
  EXPECT_EQ(find_child(), 0);
}

}  // namespace
}  // namespace millrace
