#include "workers/extractor/sandbox_confine.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace millrace {
namespace {

// Where poppler finds character maps for East Asian fonts that a PDF does not carry.
constexpr const char* kReadableFolder = "/usr/share/poppler";

// All rights of Landlock's first version: later ones add what seccomp denies anyway.
constexpr std::uint64_t kAllFileRights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1U) - 1;

// System calls of a parser that computes, allocates and talks over an open socket. Everything else
// fails with EPERM, which libraries take better than a signal.
constexpr std::array kAllowed{SCMP_SYS(read),
                              SCMP_SYS(readv),
                              SCMP_SYS(pread64),
                              SCMP_SYS(write),
                              SCMP_SYS(writev),
                              SCMP_SYS(close),
                              SCMP_SYS(fstat),
                              SCMP_SYS(newfstatat),
                              SCMP_SYS(stat),
                              SCMP_SYS(lstat),
                              SCMP_SYS(statx),
                              SCMP_SYS(lseek),
                              SCMP_SYS(access),
                              SCMP_SYS(faccessat),
                              SCMP_SYS(faccessat2),
                              SCMP_SYS(readlink),
                              SCMP_SYS(readlinkat),
                              SCMP_SYS(getdents64),
                              SCMP_SYS(poll),
                              SCMP_SYS(ppoll),
                              SCMP_SYS(brk),
                              SCMP_SYS(mmap),
                              SCMP_SYS(munmap),
                              SCMP_SYS(mremap),
                              SCMP_SYS(mprotect),
                              SCMP_SYS(madvise),
                              SCMP_SYS(futex),
                              SCMP_SYS(sched_yield),
                              SCMP_SYS(getcpu),
                              SCMP_SYS(sched_getaffinity),
                              SCMP_SYS(clock_gettime),
                              SCMP_SYS(clock_getres),
                              SCMP_SYS(gettimeofday),
                              SCMP_SYS(time),
                              SCMP_SYS(nanosleep),
                              SCMP_SYS(clock_nanosleep),
                              SCMP_SYS(getrandom),
                              SCMP_SYS(getpid),
                              SCMP_SYS(gettid),
                              SCMP_SYS(getuid),
                              SCMP_SYS(geteuid),
                              SCMP_SYS(getgid),
                              SCMP_SYS(getegid),
                              SCMP_SYS(getrusage),
                              SCMP_SYS(getrlimit),
                              SCMP_SYS(sysinfo),
                              SCMP_SYS(uname),
                              SCMP_SYS(rt_sigaction),
                              SCMP_SYS(rt_sigprocmask),
                              SCMP_SYS(rt_sigreturn),
                              SCMP_SYS(sigaltstack),
                              SCMP_SYS(restart_syscall),
                              SCMP_SYS(exit),
                              SCMP_SYS(exit_group),
                              SCMP_SYS(rseq),
                              SCMP_SYS(membarrier),
                              SCMP_SYS(set_robust_list)};

Error refused(const char* what, int code) {
  return unavailable(std::string{"cannot confine the extraction process: "} + what + ": " +
                     std::strerror(code));
}

// Without Landlock (an old kernel, or switched off) files can be read, and nothing else be done
// with what was read but to put it into the text of the document.
Status limit_files() {
  landlock_ruleset_attr rules{};
  rules.handled_access_fs = kAllFileRights;
  // The size of the struct's first version, which every kernel takes.
  const auto set = static_cast<int>(
      syscall(SYS_landlock_create_ruleset, &rules, sizeof rules.handled_access_fs, 0));
  if (set < 0) return {};
  landlock_path_beneath_attr beneath{};
  beneath.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  beneath.parent_fd = open(kReadableFolder, O_PATH | O_CLOEXEC);
  long done = 0;
  if (beneath.parent_fd >= 0) {
    done = syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    close(beneath.parent_fd);
  }
  if (done == 0) done = syscall(SYS_landlock_restrict_self, set, 0);
  const int code = errno;
  close(set);
  if (done != 0) return refused("landlock", code);
  return {};
}

// A rule that allows a call only for some arguments.
int allow_if(scmp_filter_ctx filter, int call, std::initializer_list<scmp_arg_cmp> conditions) {
  return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call,
                                static_cast<unsigned>(conditions.size()), conditions.begin());
}

scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}
scmp_arg_cmp equal(unsigned argument, std::uint64_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}

int add_rules(scmp_filter_ctx filter) {
  for (const int call : kAllowed) {
    // Calls that this architecture does not have are skipped.
    const int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
    if (code != 0 && code != -EDOM) return code;
  }
  constexpr std::uint64_t kWriting = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_TMPFILE;
  constexpr std::uint64_t kTmpfileDirectory = O_DIRECTORY;  // a part of O_TMPFILE
  constexpr std::uint64_t kForbidden = kWriting & ~kTmpfileDirectory;
  const auto self = static_cast<std::uint64_t>(getpid());
  int code = allow_if(filter, SCMP_SYS(openat), {masked(2, kForbidden, O_RDONLY)});
  if (code == 0) code = allow_if(filter, SCMP_SYS(open), {masked(1, kForbidden, O_RDONLY)});
  if (code == -EDOM) code = 0;  // no open() on arm64
  // fcntl: flags of descriptors only. abort() signals itself. Limits: its own.
  for (const int command : {F_GETFD, F_SETFD, F_GETFL}) {
    if (code == 0)
      code = allow_if(filter, SCMP_SYS(fcntl), {equal(1, static_cast<unsigned>(command))});
  }
  if (code == 0) code = allow_if(filter, SCMP_SYS(tgkill), {equal(0, self)});
  if (code == 0) code = allow_if(filter, SCMP_SYS(prlimit64), {equal(0, 0)});
  if (code == 0) code = allow_if(filter, SCMP_SYS(prlimit64), {equal(0, self)});
  return code;
}

}  // namespace

Status confine_process() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refused("no_new_privs", errno);
  if (Status status = limit_files(); !status) return status;
  const std::unique_ptr<void, decltype(&seccomp_release)> filter{
      seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release};
  if (filter == nullptr) return refused("seccomp", ENOMEM);
  int code = add_rules(filter.get());
  if (code == 0) code = seccomp_load(filter.get());
  if (code != 0) return refused("seccomp", -code);
  return {};
}

void limit_cpu_time(std::chrono::seconds time) {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  rlimit cpu{};
  getrlimit(RLIMIT_CPU, &cpu);
  const rlim_t spent = static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec);
  // The second that was begun counts as not spent.
  const rlim_t more = 1 + static_cast<rlim_t>(std::max(time, std::chrono::seconds{0}).count());
  cpu.rlim_cur = std::min(cpu.rlim_max, spent + more);
  setrlimit(RLIMIT_CPU, &cpu);
}

}  // namespace millrace
