#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

namespace millrace {

// Bounds the operations of one socket without closing it, so that the client can still be told.
// Belongs to the socket's strand; owned by the session beside the socket.
class Deadline : public std::enable_shared_from_this<Deadline> {
 public:
  explicit Deadline(boost::asio::ip::tcp::socket& socket)
      : socket_{socket}, timer_{socket.get_executor()} {}

  // Operations that are unfinished after `limit` fail with operation_aborted, until relax().
  void expect_within(std::chrono::milliseconds limit) {
    timed_out_ = false;
    arm(limit);
  }
  void relax() { timer_.expires_at(boost::asio::steady_timer::time_point::max()); }
  bool timed_out() const { return timed_out_; }

 private:
  // An operation that was between two of its steps was not reached by cancel(): once more, soon.
  static constexpr std::chrono::milliseconds kRepeatCancel{50};

  void arm(std::chrono::milliseconds limit) {
    timer_.expires_after(limit);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self) self->expired();
    });
  }
  void expired() {
    // Set anew after this handler was queued.
    if (boost::asio::steady_timer::clock_type::now() < timer_.expiry()) return;
    timed_out_ = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
    arm(kRepeatCancel);
  }

  boost::asio::ip::tcp::socket& socket_;
  boost::asio::steady_timer timer_;
  bool timed_out_ = false;
};

}  // namespace millrace
