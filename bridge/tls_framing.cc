#include "bridge/tls_framing.h"

#include "tls/check.h"

namespace tlsbridge {

TlsFraming::Output::Output(tls::Staging* staging) : staging_(staging) {
  Check(staging->output().empty(), "records of one session are left for another");
}

Read TlsFraming::Decrypt(const Read& ciphertext) {
  Read read = ciphertext;
  read.bytes = {};
  if (!ciphertext.bytes.empty() || ciphertext.outcome == ReadOutcome::kDrained) {
    const tls::Session::Received received = session_->Receive(ciphertext.bytes);
    read.bytes = received.plaintext;
    read.records = received.records;
    if (received.verdict == tls::Verdict::kFailed) read.outcome = ReadOutcome::kTlsFailed;
    if (received.verdict == tls::Verdict::kCleanEof) read.outcome = ReadOutcome::kEnded;
    if (received.verdict != tls::Verdict::kWantRead) return read;
  }
  if (ciphertext.outcome != ReadOutcome::kEnded) return read;
  switch (session_->ReceiveEof()) {
    case tls::Verdict::kCleanEof:
      break;
    case tls::Verdict::kTruncated:
      read.outcome = ReadOutcome::kTruncated;
      break;
    default:
      read.outcome = ReadOutcome::kTlsFailed;
      break;
  }
  return read;
}

bool TlsFraming::Encrypt(absl::Span<const uint8_t> plaintext) { return session_->Send(plaintext); }

}  // namespace tlsbridge
