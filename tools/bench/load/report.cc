#include "tools/bench/load/report.h"

#include <string>

namespace tlsbridge::bench {
namespace {

using Json = nlohmann::ordered_json;

double Microseconds(absl::Duration duration) { return absl::ToDoubleMicroseconds(duration); }

Json Latencies(const Histogram& latency) {
  return {{"p50", Microseconds(latency.Quantile(0.5))},
          {"p99", Microseconds(latency.Quantile(0.99))},
          {"p999", Microseconds(latency.Quantile(0.999))},
          {"max", Microseconds(latency.max())},
          {"count", latency.count()}};
}

Json Errors(const Tally& tally) {
  Json errors = Json::object();
  for (int i = 0; i < static_cast<int>(ErrorKind::kCount); ++i) {
    const auto kind = static_cast<ErrorKind>(i);
    if (tally.count(kind) > 0) errors[std::string(ErrorName(kind))] = tally.count(kind);
  }
  return errors;
}

Json Agreed(const Tally& tally) {
  return {{"version", tally.version},
          {"cipher", tally.cipher},
          {"group", tally.group},
          {"certificate", tally.certificate},
          {"resumed", tally.resumed}};
}

}  // namespace

nlohmann::ordered_json MakeReport(LoadContext& context, const RunResult& result) {
  const Meter& meter = context.meter;
  Tally& tally = context.tally;
  const double seconds = absl::ToDoubleSeconds(meter.elapsed());
  if (meter.watches_proxy() && tally.clean() && !meter.proxy_cpu()) {
    tally.Error(ErrorKind::kProxyGone, "the CPU time of a watched process could not be read");
  }

  Json report = {{"mode", std::string(ModeName(context.options.mode))},
                 {"valid", tally.clean()},
                 {"connections", context.options.connections},
                 {"operations", result.operations},
                 {"seconds", seconds}};
  if (seconds > 0) report["per_second"] = static_cast<double>(result.operations) / seconds;
  if (result.bytes > 0) {
    report["bytes"] = result.bytes;
    report["mb_per_second"] = static_cast<double>(result.bytes) / 1e6 / seconds;
  }
  if (meter.watches_proxy() && meter.proxy_cpu()) {
    report["proxy_cpu_us"] = Microseconds(*meter.proxy_cpu());
  }
  if (meter.own_cpu()) report["load_cpu_us"] = Microseconds(*meter.own_cpu());
  if (result.latency.count() > 0) report["latency_us"] = Latencies(result.latency);
  if (context.tls != nullptr) report["tls"] = Agreed(tally);
  report["ends_without_close_notify"] = tally.ends_without_close_notify;
  report["resets_after_close"] = tally.resets_after_close;
  report.update(result.extra);
  report["errors"] = Errors(tally);
  if (!tally.clean()) report["first_error"] = tally.first_detail();
  return report;
}

}  // namespace tlsbridge::bench
