// main() of a fuzz target under `bazel test`: gives the target every seed as it is, and then the
// same mutations of it in every run. Where the target crashes, the input is kept.
//
//   TARGET --mutations=N SEED...

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kMaxInputBytes = 8192;
constexpr unsigned kStuckSeconds = 20;  // for one input, on a busy machine under a sanitizer

std::string current_input;  // NOLINT: for the signal handler
std::string kept_path;      // NOLINT

extern "C" void KeepInput(int signal_number) {
  const int fd = open(kept_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ssize_t written = write(fd, current_input.data(), current_input.size());
  for (const char* text : {"the input is kept in ", kept_path.c_str(), "\n"}) {
    written = write(STDERR_FILENO, text, strlen(text));
  }
  static_cast<void>(written);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

// A copy of its own, so that a sanitizer sees reads past its end.
void Try(const std::string& input) {
  current_input = input;
  alarm(kStuckSeconds);
  std::vector<uint8_t> bytes(input.begin(), input.end());
  bytes.shrink_to_fit();
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  alarm(0);
}

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>* seeds) : seeds_(*seeds) {}

  std::string Mutate(std::string input) {
    for (size_t changes = 1 + Below(4); changes > 0; --changes) Change(&input);
    input.resize(std::min(input.size(), kMaxInputBytes));
    return input;
  }

 private:
  size_t Below(size_t limit) { return random_() % limit; }

  void Change(std::string* input) {
    const size_t at = Below(input->size() + 1);
    const size_t some = Below(16);
    switch (Below(7)) {
      case 0:
        if (at < input->size()) (*input)[at] ^= static_cast<char>(1 << Below(8));
        return;
      case 1:
        if (at < input->size()) (*input)[at] = static_cast<char>(random_());
        return;
      case 2:
        input->erase(at, some);
        return;
      case 3:
        input->insert(at, some, static_cast<char>(random_()));
        return;
      case 4:
        input->insert(at, input->substr(Below(input->size() + 1), some));
        return;
      case 5:
        input->resize(at);
        return;
      default: {
        const std::string& other = seeds_[Below(seeds_.size())];
        input->replace(at, std::string::npos, other.substr(Below(other.size() + 1)));
      }
    }
  }

  const std::vector<std::string>& seeds_;
  std::mt19937_64 random_{1};  // NOLINT(cert-msc51-cpp): the same in every run
};

}  // namespace

int main(int argc, char** argv) {
  int mutations = 0;
  if (argc < 3 || sscanf(argv[1], "--mutations=%d", &mutations) != 1) {
    fprintf(stderr, "no seeds: the corpus is empty\n");
    return 1;
  }
  std::vector<std::string> seeds;
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    if (!file) {
      fprintf(stderr, "%s cannot be read\n", argv[i]);
      return 1;
    }
  }

  const char* folder = getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  kept_path = std::string(folder != nullptr ? folder : ".") + "/crash";
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM}) {
    signal(number, &KeepInput);
  }
  for (size_t i = 0; i < seeds.size(); ++i) {
    fprintf(stderr, "%s\n", argv[i + 2]);
    Try(seeds[i]);
  }
  Mutator mutator(&seeds);
  for (const std::string& seed : seeds) {
    for (int i = 0; i < mutations; ++i) Try(mutator.Mutate(seed));
  }
  fprintf(stderr, "%zu seeds, %zu mutations\n", seeds.size(), seeds.size() * mutations);
  return 0;
}
