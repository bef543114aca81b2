#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {

void CloseMatrix::Connect() {
  StartRouter();
  ConnectThrough(Tls());
}

bool CloseMatrix::AllEnded() {
  return UntilWithTime([this] { return live_connections() == 0; });
}

bool CloseMatrix::ClientEnded() {
  return UntilWithTime([this] { return client_->end() != StreamEnd::kOpen; });
}

bool CloseMatrix::BackendEnded() {
  return UntilWithTime([this] { return backend_peer_->end() != StreamEnd::kOpen; });
}

bool CloseMatrix::BothHangUp() {
  client_->SendCloseNotify();
  client_->socket().Fin();
  if (backend_peer_ != nullptr) backend_peer_->Fin();
  return AllEnded();
}

void CloseMatrix::ExpectEnd(const EndedAs& expected) {
  EXPECT_EQ(live_connections(), 0u);
  ExpectOneEnd(expected.reason, expected.incoming, expected.outgoing);
  const auto ends = log_.Events("connection_end");
  ASSERT_EQ(ends.size(), 1u);
  const nlohmann::json& end = ends.front();
  const auto name = [](TerminationReason reason) {
    return std::string(TerminationReasonName(reason));
  };
  EXPECT_EQ(end.value("reason", ""), name(expected.reason));
  EXPECT_EQ(end.value("incoming", ""), name(expected.incoming));
  EXPECT_EQ(end.value("outgoing", ""), name(expected.outgoing));
  EXPECT_EQ(end.value("errno", ""), expected.error);
  EXPECT_EQ(end.value("detail", ""), expected.detail);
  EXPECT_EQ(end.value("bytes_dropped", 0) > 0, expected.dropped) << end;
}

nlohmann::json CloseMatrix::Dump() const {
  const auto records = nlohmann::json::parse("[" + DumpRecords() + "]");
  EXPECT_EQ(records.size(), 1u);
  return records.empty() ? nlohmann::json() : records.front();
}

std::string TlsVersionName(const ::testing::TestParamInfo<uint16_t>& info) {
  return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
}

}  // namespace tlsbridge::testing
