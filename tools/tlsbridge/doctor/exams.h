// What `tlsbridge doctor` looks at; each in the file of its name.
//
// Thread: main's. Failure: none; what cannot be found out is said.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bridge/event/clock.h"
#include "tools/tlsbridge/doctor/diagnosis.h"
#include "tools/tlsbridge/named_files.h"

namespace tlsbridge {

struct Patient {
  const ParsedConfig& parsed;
  const FileFindings& files;
  const Clock& clock;
  // Mistakes of the command line itself, and how another mistake is told; where it is a file, its
  // name.
  std::vector<std::string> of_flags;
  std::function<std::string(const Problem&)> describe;
  std::string config_file;  // empty: flags
};

// What `check` says, with what mends it.
void ExamineConfig(const Patient& patient, Diagnosis* diagnosis);
// Kernel, descriptors, memory, cores, clock.
void ExamineMachine(const Patient& patient, Diagnosis* diagnosis);
// Of each certificate, CA, CRL and OCSP response that can be read: for whom, how long, and whether
// clients can follow its chain.
void ExamineCertificates(const Patient& patient, Diagnosis* diagnosis);
// Whether each listener's can be listened on, or who does so.
void ExamineAddresses(const Patient& patient, Diagnosis* diagnosis);
// Looks names up, and dials each backend as a connection of its route would: with a PROXY header
// that names nobody where it is due, and TLS where that is spoken. Nothing else is sent.
void ExamineBackends(const Patient& patient, Diagnosis* diagnosis);

}  // namespace tlsbridge
