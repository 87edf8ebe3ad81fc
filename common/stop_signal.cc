#include "common/stop_signal.h"

#include <pthread.h>

#include <atomic>
#include <csignal>
#include <cstdlib>

#include "common/logging.h"

namespace millrace {
namespace {

// Whoever uses the whole grace to finish its work has this long to close what it worked with.
constexpr std::chrono::seconds kAfterGrace{2};
constexpr int kSignals[] = {SIGTERM, SIGINT};

// Who waits for the signals. A handler can be given nothing but a global.
std::atomic<pthread_t> signal_watcher;

// Libraries make threads before main(), which block nothing (OpenBLAS does): a signal that one of
// those gets would end the process on the spot.
void hand_on(int signal) { pthread_kill(signal_watcher.load(), signal); }

void handle_signals(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
}

sigset_t ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : kSignals) sigaddset(&signals, signal);
  return signals;
}

}  // namespace

StopSignal::StopSignal(std::chrono::milliseconds grace) : grace_{grace} {
  const sigset_t signals = ending_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  watcher_ = std::jthread{[this] { watch(); }};
  signal_watcher.store(watcher_.native_handle());
  handle_signals(hand_on);
}

StopSignal::~StopSignal() {
  handle_signals(SIG_IGN);
  {
    const std::lock_guard lock{mutex_};
    stopping_ = ended_ = true;
  }
  changed_.notify_all();
  // To a thread, a signal that is ignored comes all the same while sigwait() waits for it.
  pthread_kill(watcher_.native_handle(), SIGTERM);
}

void StopSignal::because(const Error& error) {
  {
    const std::lock_guard lock{mutex_};
    if (stopping_) return;
    stopping_ = true;
    error_ = error;
  }
  changed_.notify_all();
  pthread_kill(watcher_.native_handle(), SIGTERM);
}

Status StopSignal::wait() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [&] { return stopping_; });
  if (error_) return *error_;
  return {};
}

bool StopSignal::wait_for(std::chrono::milliseconds time) {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, time, [&] { return stopping_; });
}

void StopSignal::watch() {
  const sigset_t signals = ending_signals();
  int signal = 0;
  sigwait(&signals, &signal);
  std::unique_lock lock{mutex_};
  if (!stopping_) {
    log_event(LogLevel::info, "stopping", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
  }
  stopping_ = true;
  changed_.notify_all();
  if (changed_.wait_for(lock, grace_ + kAfterGrace, [&] { return ended_; })) return;
  log_event(LogLevel::warning, "stopped_unfinished", {{"grace_ms", grace_.count()}});
  std::_Exit(error_ ? EXIT_FAILURE : EXIT_SUCCESS);
}

}  // namespace millrace
