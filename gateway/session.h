#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "common/tracer.h"
#include "gateway/auth/authenticator.h"
#include "gateway/routes.h"
#include "gateway/services.h"
#include "gateway/session_probe.h"
#include "gateway/upload_budget.h"

namespace millrace {

// What all sessions of a server share.
struct SessionShared {
  Services& services;
  const Authenticator& authenticator;
  SessionProbe& probe;
  UploadBudget& budget;
  const Tracer* tracer = nullptr;  // null: nobody wants traces
};

// One connection: keep-alive, limits, deadlines, credentials, request ids, metrics, and exceptions
// as 500. Lives on its own strand.
class Session {
 public:
  virtual ~Session() = default;
  virtual net::awaitable<void> run() = 0;
  // Any thread: no further request is taken; an idle connection closes.
  virtual void drain() = 0;
  // Any thread: closes the connection whatever it does.
  virtual void abort() = 0;
};

std::shared_ptr<Session> make_session(boost::asio::ip::tcp::socket socket, SessionShared shared);

}  // namespace millrace
