// The scalar types of the configuration.
//
// Thread: any; pure. Failure: as Type.
#pragma once

#include <stdint.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "bridge/socket_address.h"
#include "router/config/cidr.h"
#include "router/config/config.h"
#include "router/yaml/nearest.h"
#include "router/yaml/type.h"

namespace tlsbridge::yaml {

// Durations that zero switches off have a `least` of zero, and `zero` says what it means.
TypePtr<absl::Duration> DurationType(absl::Duration least, const std::string& zero = "");

// `unit` is what is counted.
TypePtr<int64_t> CountType(const std::string& unit, int64_t least, int64_t most,
                           const std::string& zero = "");
TypePtr<int> IntType(const std::string& unit, int least, int most, const std::string& zero = "");
TypePtr<uint32_t> WeightType();
TypePtr<double> NumberType(double least, double most);
TypePtr<bool> BoolType();

// Any text; `name` says what it is.
TypePtr<std::string> TextType(std::string name);
TypePtr<std::string> CipherListType();
TypePtr<std::string> GroupListType();
TypePtr<std::string> RouteNameType();
TypePtr<std::string> KernelTableType();
TypePtr<std::string> DomainPatternType();
TypePtr<std::string> ServerNameType();  // a name, as in SNI
TypePtr<std::string> VerifyNameType();  // a name or an IP address
TypePtr<std::string> ProtocolType();    // of ALPN
TypePtr<std::string> AllowRuleType();   // of client certificates
TypePtr<std::string> FileType(std::string content);
TypePtr<LogLevel> LogLevelType();

TypePtr<SocketAddress> AddressType();
TypePtr<BackendAddress> BackendAddressType();
TypePtr<Cidr> CidrType();
TypePtr<PortRange> PortRangeType();

template <class T>
TypePtr<T> EnumType(std::vector<std::pair<std::string, T>> values) {
  typename ScalarType<T>::Options options;
  std::vector<std::string> names;
  Json schema = Json::array();
  for (const auto& [name, value] : values) {
    names.push_back(name);
    schema.push_back(name);
    // An editor takes 1.2 without quotes for a number.
    const Json number = Json::parse(name, nullptr, /*allow_exceptions=*/false);
    if (number.is_number()) schema.push_back(number);
  }
  options.name = "one of ";
  for (size_t i = 0; i < names.size(); ++i) {
    absl::StrAppend(&options.name, i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", names[i]);
  }
  options.schema = {{"enum", std::move(schema)}};
  options.parse = [values, names,
                   expected = options.name](const std::string& text) -> absl::StatusOr<T> {
    for (const auto& [name, value] : values) {
      if (name == text) return value;
    }
    return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " is not allowed; expected ",
                                                   expected, DidYouMean(text, names)));
  };
  options.write = [values](const T& value) -> Json {
    for (const auto& [name, known] : values) {
      if (known == value) return name;
    }
    return {};
  };
  return std::make_shared<ScalarType<T>>(std::move(options));
}

}  // namespace tlsbridge::yaml
