// How threads of the OpenMP runtime wait for each other: they try again and again for a while (spin), then sleep.
// Sleeping is slow on an idle machine; spinning takes the processor from the thread that is waited for on a busy one.
// libgomp spins for milliseconds unless it is told.
#pragma once

#include <string>

namespace tsugi {

/// For the first line of a main(), before anything is opened or started. Where nobody chose (OMP_WAIT_POLICY,
/// GOMP_SPINCOUNT, KMP_BLOCKTIME), starts the program once more, with the same arguments and settings that spin
/// briefly: runtimes read these before main(). Returns where somebody chose, where there is no such runtime, and where
/// the program cannot be started again, which then waits as the runtime does by itself.
void wait_briefly(char** arguments);

/// How this process's threads wait, by its environment, for people: "GOMP_SPINCOUNT=8000 (tsugi's own)",
/// "OMP_WAIT_POLICY=passive".
std::string wait_policy();

}  // namespace tsugi
