// Horovod 0.28.1 includes this header under the name that it had in 2023; TensorFlow 2.21 moved it and renamed a type.
#pragma once
#include "absl/status/statusor.h"
#include "xla/hlo/builder/xla_builder.h"
namespace xla {
template <typename T>
using StatusOr = absl::StatusOr<T>;
}
