// Horovod 0.28.1 includes this header under the name that it had in 2023; TensorFlow 2.21 moved it and renamed a type.
#pragma once
#include "absl/status/statusor.h"
#include "xla/hlo/builder/xla_builder.h"
namespace xla {
template <typename T>
using StatusOr = absl::StatusOr<T>;
}

#if HAVE_CUDA
// Horovod calls this function, which PyPI's TensorFlow no longer exports. One file of Horovod includes this header, so
// that the function is defined once.
#include "xla/stream_executor/stream.h"
struct CUstream_st; // what CUDA's cudaStream_t and CUstream point to
namespace stream_executor {
namespace gpu {
CUstream_st* AsGpuStreamValue(Stream* stream) {
  return static_cast<CUstream_st*>(stream->platform_specific_handle().stream);
}
} // namespace gpu
} // namespace stream_executor
#endif
