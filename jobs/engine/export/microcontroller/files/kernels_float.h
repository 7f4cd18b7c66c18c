/* What stands before and behind the int8 layers of a table's model, in float: the same bits as TensorFlow Lite Micro's
   reference kernels where the compiler keeps to IEEE 754 (no -ffast-math; -ffp-contract=off, which -std=c99 implies).
   An operand's step is 1, or 0 for one number that stands for all. */
#ifndef GRISTMILL_KERNELS_FLOAT_H_
#define GRISTMILL_KERNELS_FLOAT_H_

#include <math.h>
#include <stdint.h>

#define GM_ELEMENTWISE(name, type, result)                                                            \
  static inline void name(const float *a, int a_step, const float *b, int b_step, type *out, int count) { \
    for (int i = 0; i < count; ++i) {                                                                 \
      const float x = a[i * a_step], y = b[i * b_step];                                               \
      out[i] = (result);                                                                              \
    }                                                                                                 \
  }

GM_ELEMENTWISE(gm_float_add, float, x + y)
GM_ELEMENTWISE(gm_float_sub, float, x - y)
GM_ELEMENTWISE(gm_float_mul, float, x *y)
GM_ELEMENTWISE(gm_float_maximum, float, x > y ? x : y)
GM_ELEMENTWISE(gm_float_minimum, float, x < y ? x : y)
GM_ELEMENTWISE(gm_float_equal, uint8_t, x == y)
GM_ELEMENTWISE(gm_float_not_equal, uint8_t, x != y)

static inline void gm_float_select(const uint8_t *which, int step, const float *a, int a_step, const float *b,
                                   int b_step, float *out, int count) {
  for (int i = 0; i < count; ++i) out[i] = which[i * step] ? a[i * a_step] : b[i * b_step];
}

static inline void gm_float_cast(const uint8_t *in, float *out, int count) {
  for (int i = 0; i < count; ++i) out[i] = in[i] ? 1.0f : 0.0f;
}

static inline void gm_float_gather(const float *in, const int32_t *places, float *out, int count) {
  for (int i = 0; i < count; ++i) out[i] = in[places[i]];
}

static inline void gm_byte_gather(const uint8_t *in, const int32_t *places, uint8_t *out, int count) {
  for (int i = 0; i < count; ++i) out[i] = in[places[i]];
}

static inline void gm_quantize(const float *in, float scale, int32_t zero_point, int8_t *out, int count) {
  for (int i = 0; i < count; ++i) {
    const int32_t step = (int32_t)roundf(in[i] / scale) + zero_point;
    out[i] = (int8_t)(step < -128 ? -128 : step > 127 ? 127 : step);
  }
}

static inline void gm_dequantize(const int8_t *in, double scale, int32_t zero_point, float *out, int count) {
  for (int i = 0; i < count; ++i) out[i] = (float)(scale * (in[i] - zero_point));
}

#endif
