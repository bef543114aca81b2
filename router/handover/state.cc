#include "router/handover/state.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "router/handover/wire.h"

namespace tlsbridge {
namespace {

using wire::Put;
using wire::PutText;
using wire::Reader;

enum Section : uint16_t {
  kGenerations = 1,
  kSockets = 2,
  kTickets = kMayBeSkipped | 3,
  kRates = kMayBeSkipped | 4,
  kKernel = 5,  // who does not take it over would end what it forwards
};

// ---- Writing.

void PutSection(SecretBytes* out, Section tag, const SecretBytes& body) {
  Put(out, tag, 2);
  Put(out, body.size(), 4);
  out->Append(body.span());
}

SecretBytes GenerationsOf(const HandoverState& state) {
  SecretBytes body;
  Put(&body, state.generation, 8);
  Put(&body, state.draining.size(), 4);
  for (const auto& generation : state.draining) {
    Put(&body, generation.number, 8);
    Put(&body, static_cast<uint32_t>(generation.pid), 4);
    Put(&body, generation.has_fd ? 1 : 0, 1);
  }
  return body;
}

SecretBytes SocketsOf(const HandoverState& state) {
  SecretBytes body;
  Put(&body, state.sockets.size(), 4);
  for (const auto& socket : state.sockets) {
    Put(&body, static_cast<uint8_t>(socket.use), 1);
    Put(&body, socket.owns_path ? 1 : 0, 1);
    Put(&body, socket.of_unit ? 1 : 0, 1);
    PutText(&body, socket.wanted.ToString());
  }
  return body;
}

SecretBytes TicketsOf(const HandoverState& state) {
  SecretBytes body;
  Put(&body, state.tickets.size(), 4);
  for (const auto& of : state.tickets) {
    PutText(&body, of.route);
    Put(&body, static_cast<uint64_t>(absl::ToInt64Nanoseconds(of.random.rotates_in)), 8);
    Put(&body, of.random.secrets.size(), 1);
    for (const auto& secret : of.random.secrets) {
      body.Append(secret.bytes);
      Put(&body, secret.old ? 1 : 0, 1);
    }
  }
  return body;
}

SecretBytes RatesOf(const HandoverState& state) {
  SecretBytes body;
  Put(&body, state.rates.size(), 4);
  for (const auto& of : state.rates) {
    PutText(&body, of.route);
    Put(&body, of.clients.size(), 4);
    for (const auto& client : of.clients) {
      PutText(&body, client.client);
      Put(&body, static_cast<uint64_t>(client.minute), 8);
      Put(&body, static_cast<uint64_t>(client.new_in_minute), 8);
      Put(&body, static_cast<uint64_t>(client.new_in_last_minute), 8);
    }
  }
  return body;
}

SecretBytes KernelOf(const HandoverState& state) {
  SecretBytes body;
  PutText(&body, state.kernel->table);
  Put(&body, state.kernel->keep ? 1 : 0, 1);
  return body;
}

// ---- Reading.

void ReadGenerations(Reader* in, HandoverState* state) {
  state->generation = in->Number(8);
  const size_t count = in->Count(13);
  for (size_t i = 0; in->ok() && i < count; ++i) {
    auto& generation = state->draining.emplace_back();
    generation.number = in->Number(8);
    generation.pid = static_cast<pid_t>(in->Number(4));
    generation.has_fd = in->Flag();
    if (generation.pid <= 0) in->Fail();
  }
}

void ReadSockets(Reader* in, HandoverState* state) {
  const size_t count = in->Count(5);
  for (size_t i = 0; in->ok() && i < count; ++i) {
    auto& socket = state->sockets.emplace_back();
    socket.use = in->Flag() ? InheritedSockets::Use::kAdmin : InheritedSockets::Use::kListener;
    socket.owns_path = in->Flag();
    socket.of_unit = in->Flag();
    const auto address = SocketAddress::Parse(in->Text());
    if (!address.ok()) return in->Fail();
    socket.wanted = *address;
  }
}

void ReadTickets(Reader* in, HandoverState* state) {
  const size_t count = in->Count(11);
  for (size_t i = 0; in->ok() && i < count; ++i) {
    auto& of = state->tickets.emplace_back();
    of.route = in->Text();
    of.random.rotates_in = absl::Nanoseconds(in->NotNegative());
    const size_t secrets = in->Number(1);
    if (secrets > tls::TicketSecrets::kMaxSecrets) in->Fail();
    for (size_t s = 0; in->ok() && s < secrets; ++s) {
      auto& secret = of.random.secrets.emplace_back();
      const absl::Span<const uint8_t> bytes = in->Take(secret.bytes.size());
      std::copy(bytes.begin(), bytes.end(), secret.bytes.begin());
      secret.old = in->Flag();
    }
  }
}

void ReadRates(Reader* in, HandoverState* state) {
  const size_t count = in->Count(6);
  for (size_t i = 0; in->ok() && i < count; ++i) {
    auto& of = state->rates.emplace_back();
    of.route = in->Text();
    const size_t clients = in->Count(26);
    for (size_t c = 0; in->ok() && c < clients; ++c) {
      auto& client = of.clients.emplace_back();
      client.client = in->Text();
      client.minute = in->NotNegative();
      client.new_in_minute = in->NotNegative();
      client.new_in_last_minute = in->NotNegative();
    }
  }
}

void ReadKernel(Reader* in, HandoverState* state) {
  HandoverState::Kernel kernel;
  kernel.table = in->Text();
  kernel.keep = in->Flag();
  state->kernel = std::move(kernel);
}

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("what was handed over is malformed: ", what));
}

}  // namespace

size_t HandoverState::descriptors() const {
  return sockets.size() + (kernel ? 2 : 0) +
         static_cast<size_t>(std::count_if(draining.begin(), draining.end(),
                                           [](const auto& g) { return g.has_fd; }));
}

SecretBytes EncodeState(const HandoverState& state) {
  SecretBytes bytes;
  PutSection(&bytes, kGenerations, GenerationsOf(state));
  PutSection(&bytes, kSockets, SocketsOf(state));
  if (!state.tickets.empty()) PutSection(&bytes, kTickets, TicketsOf(state));
  if (!state.rates.empty()) PutSection(&bytes, kRates, RatesOf(state));
  if (state.kernel) PutSection(&bytes, kKernel, KernelOf(state));
  return bytes;
}

absl::StatusOr<HandoverState> DecodeState(absl::Span<const uint8_t> bytes) {
  struct Known {
    Section tag;
    void (*read)(Reader*, HandoverState*);
    bool required;
    bool seen = false;
  };
  std::array<Known, 5> known = {{{kGenerations, &ReadGenerations, true},
                                 {kSockets, &ReadSockets, true},
                                 {kTickets, &ReadTickets, false},
                                 {kRates, &ReadRates, false},
                                 {kKernel, &ReadKernel, false}}};
  HandoverState state;
  Reader in(bytes);
  while (!in.at_end()) {
    const auto tag = static_cast<uint16_t>(in.Number(2));
    const absl::Span<const uint8_t> body = in.Take(in.Number(4));
    if (!in.ok()) return Malformed("it is cut short");
    const auto section = std::find_if(known.begin(), known.end(),
                                      [tag](const Known& one) { return one.tag == tag; });
    if (section == known.end()) {
      if ((tag & kMayBeSkipped) != 0) continue;
      return absl::UnimplementedError(absl::StrCat(
          "this version does not know section ", tag,
          " of what the running one hands over; stop that one and start this one instead"));
    }
    if (section->seen) return Malformed(absl::StrCat("section ", tag, " comes twice"));
    section->seen = true;
    Reader reader(body);
    section->read(&reader, &state);
    if (!reader.ok() || !reader.at_end()) return Malformed(absl::StrCat("section ", tag));
  }
  for (const Known& section : known) {
    if (section.required && !section.seen) {
      return Malformed(absl::StrCat("section ", section.tag, " is missing"));
    }
  }
  return state;
}

}  // namespace tlsbridge
