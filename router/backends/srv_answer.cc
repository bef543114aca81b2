#include "router/backends/srv_answer.h"

#include <ares.h>

#include <algorithm>
#include <memory>

#include "absl/status/status.h"

namespace tlsbridge {
namespace {

// RFC 1035, sections 4.1.1 to 4.1.3.
constexpr size_t kHeaderBytes = 12;
constexpr size_t kQuestionBytes = 4;  // after its name
constexpr size_t kRecordBytes = 10;   // after its name, before its data
constexpr uint16_t kTypeSrv = 33;
constexpr uint16_t kClassInternet = 1;

absl::Status Malformed() { return absl::DataLossError("the answer is malformed"); }

uint16_t U16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
uint32_t U32(const uint8_t* p) { return static_cast<uint32_t>(U16(p)) << 16 | U16(p + 2); }

class Reader {
 public:
  explicit Reader(absl::Span<const uint8_t> message) : message_(message) {}

  bool Name(std::string* name) {
    char* text = nullptr;
    long length = 0;  // NOLINT(google-runtime-int): c-ares' type
    if (at_ >= message_.size() ||
        ares_expand_name(message_.data() + at_, message_.data(), static_cast<int>(message_.size()),
                         &text, &length) != ARES_SUCCESS) {
      return false;
    }
    const std::unique_ptr<char, void (*)(void*)> owner(text, ares_free_string);
    *name = text;
    at_ += length;
    return true;
  }

  const uint8_t* Take(size_t bytes) {
    if (bytes > message_.size() - at_) return nullptr;
    at_ += bytes;
    return message_.data() + at_ - bytes;
  }

  size_t at() const { return at_; }
  void MoveTo(size_t at) { at_ = at; }

 private:
  const absl::Span<const uint8_t> message_;
  size_t at_ = 0;  // never past the end
};

// The record's data: priority, weight, port, target.
bool ReadSrv(Reader* reader, SrvRecord* record) {
  const uint8_t* fixed = reader->Take(6);
  if (fixed == nullptr || !reader->Name(&record->target)) return false;
  record->priority = U16(fixed);
  record->weight = U16(fixed + 2);
  record->port = U16(fixed + 4);
  return true;
}

}  // namespace

absl::StatusOr<SrvAnswer> ParseSrvAnswer(absl::Span<const uint8_t> message) {
  Reader reader(message);
  const uint8_t* header = reader.Take(kHeaderBytes);
  if (header == nullptr) return Malformed();
  std::string name;
  for (int i = U16(header + 4); i > 0; --i) {
    if (!reader.Name(&name) || reader.Take(kQuestionBytes) == nullptr) return Malformed();
  }
  SrvAnswer answer;
  bool any = false;
  uint32_t ttl = UINT32_MAX;
  for (int i = U16(header + 6); i > 0; --i) {
    if (!reader.Name(&name)) return Malformed();
    const uint8_t* record = reader.Take(kRecordBytes);
    if (record == nullptr) return Malformed();
    const size_t data = reader.at();
    if (reader.Take(U16(record + 8)) == nullptr) return Malformed();
    const size_t next = reader.at();
    // Those of a chain of CNAMEs count, too. Above 2^31 means zero: RFC 2181, section 8.
    const uint32_t its_ttl = U32(record + 4);
    ttl = std::min(ttl, its_ttl > INT32_MAX ? 0 : its_ttl);
    if (U16(record) != kTypeSrv || U16(record + 2) != kClassInternet) continue;
    reader.MoveTo(data);
    SrvRecord srv;
    if (!ReadSrv(&reader, &srv) || reader.at() != next) return Malformed();
    any = true;
    // A target of "." says that there is no such service.
    if (!srv.target.empty() && srv.target != ".") answer.records.push_back(std::move(srv));
  }
  if (!any) return absl::NotFoundError("there is no SRV record");
  answer.ttl = absl::Seconds(ttl);
  return answer;
}

}  // namespace tlsbridge
