#include "bench/tune/model_calls.h"

#include <algorithm>

#include "bench/measure/recorded_step.h"

namespace tsugi::bench {

std::vector<ModelCall> model_calls(Backend& kernels, const ShapeList& list, int batch, DType dtype) {
  StepRequest request;
  request.list = list;
  request.settings.batch = batch;
  request.dtype = dtype;
  request.photos = static_cast<std::size_t>(batch);
  std::vector<ModelCall> calls;
  for (const RecordedOp& op : record_step(kernels, request).ops) {
    if (!op.op_case || !op.op_case->product()) continue;
    ModelCall made{kernel_call(*op.op_case, op.pass, dtype), op.pass, *op.op_case, 1};
    made.op_case.model = list.model.name;
    made.op_case.layer = list.model.layers[static_cast<std::size_t>(op.layer)].name;
    const auto known =
        std::find_if(calls.begin(), calls.end(), [&](const ModelCall& one) { return one.call == made.call; });
    if (known == calls.end()) {
      calls.push_back(made);
    } else {
      ++known->times;
    }
  }
  return calls;
}

std::size_t traffic_bytes(const std::vector<ModelCall>& calls) {
  std::size_t bytes = 0;
  for (const ModelCall& one : calls) {
    const Conv2dShape& s = one.call.shape;
    bytes += static_cast<std::size_t>(one.times) * (s.x_count() + s.w_count() + s.y_count()) * size_of(one.call.dtype);
  }
  return bytes;
}

}  // namespace tsugi::bench
