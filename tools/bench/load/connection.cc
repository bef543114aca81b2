#include "tools/bench/load/connection.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tlsbridge::bench {

void Connection::Open(bool resume) {
  resume_ = resume;
  auto socket =
      Socket::Dial(context_.options.connect,
                   context_.options.nagle ? Socket::Small::kNagle : Socket::Small::kAtOnce);
  if (!socket.ok()) {
    context_.tally.Error(ErrorKind::kConnect, socket.status().message());
    OnClosed(false);
    return;
  }
  const int fd = socket->fd();
  if (context_.tls == nullptr && context_.options.hello) {
    stream_ = std::make_unique<HelloStream>(*std::move(socket));
  } else if (context_.tls == nullptr) {
    stream_ = std::make_unique<PlainStream>(*std::move(socket));
  } else {
    auto stream = context_.tls->NewStream(*std::move(socket), resume);
    ssl_ = stream->ssl();
    stream_ = std::move(stream);
  }
  state_ = State::kConnecting;
  context_.poller.Add(fd, this);
}

void Connection::OnReady(uint32_t epoll_events) {
  if (state_ == State::kClosed) return;
  stream_->socket().MarkReady(epoll_events);
  if (state_ == State::kConnecting) FinishConnecting();
  if (state_ == State::kHandshaking) ContinueHandshake();
  if (state_ == State::kOpen) Advance();
  if (state_ == State::kClosing) AwaitEnd();
}

void Connection::FinishConnecting() {
  if (const int error = stream_->socket().ConnectError(); error != 0) {
    return Fail(ErrorKind::kConnect, std::strerror(error));
  }
  state_ = State::kHandshaking;
}

void Connection::ContinueHandshake() {
  const IoStatus verdict = stream_->Handshake();
  if (verdict == IoStatus::kBlocked) return;
  if (verdict != IoStatus::kOk) {
    return Fail(ErrorKind::kHandshake, absl::StrCat("handshake: ", stream_->FailureDetail()));
  }
  if (ssl_ != nullptr) {
    if (const auto status = context_.tls->CheckParameters(ssl_, context_.tally); !status.ok()) {
      return Fail(ErrorKind::kParameters, status.message());
    }
    const bool resumed = SSL_session_reused(ssl_) != 0;
    if (resumed) ++context_.tally.resumed;
    if (resumed != resume_) {
      return Fail(ErrorKind::kResumption, resumed ? "resumed unasked" : "ticket was not taken");
    }
  }
  state_ = State::kOpen;
  context_.tally.Progress();
  OnOpen();
}

void Connection::Close() {
  state_ = State::kClosing;
  const IoStatus verdict = stream_->EndWriting();
  if (verdict != IoStatus::kOk && verdict != IoStatus::kReset) return FailOn(verdict);
  AwaitEnd();
}

void Connection::AwaitEnd() {
  while (true) {
    const IoResult result = stream_->Read(absl::MakeSpan(context_.buffer));
    switch (result.verdict) {
      case IoStatus::kBlocked:
        return;
      case IoStatus::kEnd:
        return Shut(true);
      case IoStatus::kTruncated:
        ++context_.tally.ends_without_close_notify;
        return Shut(true);
      case IoStatus::kReset:
        ++context_.tally.resets_after_close;
        return Shut(true);
      case IoStatus::kOk:
        return Fail(ErrorKind::kData, "bytes after the last expected one");
      case IoStatus::kFailed:
        return FailOn(result.verdict);
    }
  }
}

std::optional<size_t> Connection::Read(absl::Span<char> into) {
  const IoResult result = stream_->Read(into);
  if (result.verdict == IoStatus::kOk || result.verdict == IoStatus::kBlocked) return result.bytes;
  FailOn(result.verdict);
  return std::nullopt;
}

std::optional<size_t> Connection::Write(absl::string_view bytes) {
  const IoResult result = stream_->Write(bytes);
  if (result.verdict == IoStatus::kOk || result.verdict == IoStatus::kBlocked) return result.bytes;
  FailOn(result.verdict);
  return std::nullopt;
}

void Connection::FailOn(IoStatus verdict) {
  switch (verdict) {
    case IoStatus::kEnd:
      return Fail(ErrorKind::kEarlyEnd, "the proxy ended the connection early");
    case IoStatus::kTruncated:
      return Fail(ErrorKind::kTruncated, "FIN without close_notify before the end");
    case IoStatus::kReset:
      return Fail(ErrorKind::kReset, "connection reset");
    default:
      return Fail(ErrorKind::kIo, stream_->FailureDetail());
  }
}

void Connection::Fail(ErrorKind kind, absl::string_view detail) {
  context_.tally.Error(kind, detail);
  Shut(false);
}

void Connection::Shut(bool in_order) {
  context_.tally.Progress();
  state_ = State::kClosed;
  // The detail of an error may live in the stream, so it goes only now.
  ssl_ = nullptr;
  stream_.reset();
  OnClosed(in_order);
}

}  // namespace tlsbridge::bench
