/* The model in TensorFlow Lite Micro. Only the operators it uses are linked. */
#include "gristmill.h"

#if GRISTMILL_TFLM
#include <cstdint>
#include <cstring>

#ifdef ARDUINO
#include <TensorFlowLite.h>
#endif

#include "model_data.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

/* Newer releases keep the interpreter in tflite::micro, older ones in tflite. */
namespace tflite {
namespace micro {}
}  // namespace tflite
using namespace tflite;
using namespace tflite::micro;

static constexpr int kArenaBytes = @ARENA@;
alignas(16) static uint8_t arena[kArenaBytes];
static MicroInterpreter *interpreter = nullptr;

extern "C" int gristmill_begin(void) {
  static MicroMutableOpResolver<@COUNT@> resolver;
  if (interpreter != nullptr) return 0;
  InitializeTarget();
@ADD@
  static MicroInterpreter made(GetModel(gristmill_model_data), resolver, arena, kArenaBytes);
  if (made.AllocateTensors() != kTfLiteOk) return 1;
  interpreter = &made;
  return 0;
}

extern "C" int gristmill_run(const gristmill_in *input, gristmill_out *output) {
  if (interpreter == nullptr) return 1;
  std::memcpy(interpreter->input(0)->data.raw, input, GRISTMILL_INPUTS * sizeof(gristmill_in));
  if (interpreter->Invoke() != kTfLiteOk) return 1;
  std::memcpy(output, interpreter->output(0)->data.raw, GRISTMILL_OUTPUTS * sizeof(gristmill_out));
  return 0;
}
#endif
