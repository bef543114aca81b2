#include "tests/e2e/support/nginx.h"

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "tests/e2e/harness/socket.h"
#include "tests/e2e/harness/tcp_backend.h"

namespace tlsbridge::e2e {
namespace {

// $0: the folder, $1: the address, $2: terms. One process, which ends with our
// signal. Its user is root where we are: in Bazel's sandbox there is no other.
constexpr char kConfiguration[] = R"(
user root;
daemon off;
master_process off;
pid $0/nginx.pid;
error_log stderr notice;
events { worker_connections 512; }
http {
  access_log off;
  sendfile on;
  client_body_temp_path $0/body;
  proxy_temp_path $0/proxy;
  fastcgi_temp_path $0/fastcgi;
  uwsgi_temp_path $0/uwsgi;
  scgi_temp_path $0/scgi;
  keepalive_timeout 60s;
  server {
    listen $1 $2;
    root $0/www;
  }
}
)";

// A port that was free a moment ago. Another program may take it first: see Start().
std::string FreeAddress() {
  return TcpBackend([](Socket&) {}).address();
}

// What nginx says once its sockets are open.
class Readiness {
 public:
  void AddLine(absl::string_view line) {
    if (absl::StrContains(line, "event method")) Set(&ready_);
  }
  void Close() { Set(&closed_); }
  // Whether it became ready before it ended.
  bool Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, Deadline(kPatience).end(), [this] { return ready_ || closed_; });
    return ready_;
  }

 private:
  void Set(bool* what) {
    const std::lock_guard lock(mutex_);
    *what = true;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;
  bool closed_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Nginx>> Nginx::Start(const TempDir& dir, absl::string_view listen,
                                                    absl::string_view terms) {
  std::error_code ignored;
  std::filesystem::create_directory(dir.PathOf("www"), ignored);
  absl::Status failure;
  for (int attempt = 0; attempt < 5; ++attempt) {
    std::unique_ptr<Nginx> nginx(
        new Nginx(dir, listen.empty() ? FreeAddress() : std::string(listen)));
    const std::string file = dir.WriteFile(
        "nginx.conf", absl::Substitute(kConfiguration, dir.path(), nginx->address_, terms));
    auto readiness = std::make_shared<Readiness>();
    auto process = Process::Start({
        .argv = {"/usr/sbin/nginx", "-c", file, "-p", dir.path(), "-e", "stderr"},
        .environment = {},
        .on_stderr_line = [readiness](absl::string_view line) { readiness->AddLine(line); },
        .on_output_end = [readiness] { readiness->Close(); },
    });
    if (!process.ok()) return process.status();
    nginx->process_ = *std::move(process);
    if (readiness->Wait()) return nginx;
    failure = absl::InternalError(
        absl::StrCat("nginx did not start; it wrote:\n", nginx->process_->StderrText()));
  }
  return failure;
}

void Nginx::AddFile(absl::string_view name, absl::string_view content) const {
  dir_.WriteFile(absl::StrCat("www/", name), content);
}

}  // namespace tlsbridge::e2e
