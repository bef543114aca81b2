#include "router/host/sandbox.h"

#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/prctl.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "router/host/every_thread.h"
#include "router/host/landlock.h"
#include "router/host/syscall_filter.h"

// Of g++ and clang; see .bazelrc.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TLSBRIDGE_SANITIZED true
#else
#define TLSBRIDGE_SANITIZED false
#endif

namespace tlsbridge {
namespace {

// Its reports start a program that reads symbols, and look for leaks as a debugger does.
constexpr bool kSanitized = TLSBRIDGE_SANITIZED;

absl::StatusOr<std::unique_ptr<Landlock>> MakeRules(const SandboxNeeds& needs) {
  if (Landlock::KernelVersion() == 0)
    return absl::UnimplementedError("not available in this kernel");
  absl::StatusOr<std::unique_ptr<Landlock>> rules = Landlock::Create();
  if (!rules.ok()) return rules;
  const auto allow = [&rules](const std::vector<std::string>& paths, Landlock::Use use) {
    for (const std::string& path : paths) (*rules)->Allow(path, use);  // missing ones stay so
  };
  allow(needs.folders, Landlock::Use::kRead);
  allow(needs.files, Landlock::Use::kRead);
  allow(needs.settings, Landlock::Use::kReadWrite);
  allow(needs.sockets, Landlock::Use::kSockets);
  allow(needs.dumps, Landlock::Use::kWriteFiles);
  if (kSanitized) (*rules)->Allow("/", Landlock::Use::kExecute);
  return rules;
}

// What each thread does.
struct Steps {
  const SandboxNeeds* needs;
  const Landlock* rules;  // or null
};

int BecomeUser(void* context) {
  const SandboxNeeds& needs = *static_cast<const Steps*>(context)->needs;
  return Become(*needs.user, needs.kept);
}

int ForbidNewRights(void*) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno; }

int ObeyRules(void* context) { return static_cast<const Steps*>(context)->rules->Restrict(); }

}  // namespace

absl::StatusOr<SandboxResult> EnterSandbox(const SandboxNeeds& needs) {
  SandboxResult result;
  Steps steps = {&needs, nullptr};
  const auto note = [&result](const char* name, int error) {
    if (error == 0) return result.applied.emplace_back(name), void();
    result.missing.push_back(absl::StrCat(name, ": ", strerror(error)));
  };
  // The rules first: root may look at folders that the user may not.
  absl::StatusOr<std::unique_ptr<Landlock>> rules = absl::UnavailableError("");
  if (needs.restricted) rules = MakeRules(needs);
  if (needs.user.has_value()) {
    if (const int error = InEveryThread(&BecomeUser, &steps); error != 0) {
      return absl::PermissionDeniedError(
          absl::StrCat("--user: cannot switch to ", needs.user->text, ": ", strerror(error),
                       "; it needs root, or CAP_SETUID and CAP_SETGID"));
    }
    note("user", 0);
  }
  if (!needs.restricted) return result;
  const int error = InEveryThread(&ForbidNewRights, nullptr);
  note("no_new_privs", error);
  if (error != 0) return result;
  if (rules.ok()) {
    steps.rules = rules->get();
    note("landlock", InEveryThread(&ObeyRules, &steps));
  } else {
    result.missing.push_back(absl::StrCat("landlock: ", rules.status().message()));
  }
  if (kSanitized) {
    result.missing.emplace_back("seccomp: a sanitizer is linked in");
    return result;
  }
  const std::vector<sock_filter> program = SyscallProgram();
  note("seccomp", program.empty() ? ENOSYS : FilterSyscalls(program));
  return result;
}

}  // namespace tlsbridge
