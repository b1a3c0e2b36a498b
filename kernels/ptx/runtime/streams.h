// Streams of the stand-in: work is done when it is issued, or recorded while a stream captures.
#pragma once

#include "kernels/ptx/runtime/device.h"

namespace tsugi {
namespace ptx {

/// Does the work, or records it where the stream captures.
cudaError_t issue(Work work, cudaStream_t stream);

/// An error, which ends what is being captured, where some stream captures: the call waits or allocates.
cudaError_t refuse_while_capturing(const char* call);

}  // namespace ptx
}  // namespace tsugi
