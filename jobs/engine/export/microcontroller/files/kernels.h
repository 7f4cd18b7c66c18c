/* int8 operators in plain C99, as TensorFlow Lite Micro's reference kernels compute them: the same bits.

   Tensors are height x width x channels in one piece, batch 1. A real value is scale * (q - zero_point); an offset
   here is -zero_point of an input or a filter, and +zero_point of an output. A multiplier (Q31) with a shift stands
   for multiplier * 2^(shift - 31): see Jacob et al. 2018, arXiv 1712.05877. Needs an arithmetic >> of negative
   numbers, which GCC, Clang and every compiler for these boards has. */
#ifndef GRISTMILL_KERNELS_H_
#define GRISTMILL_KERNELS_H_

#include <stdint.h>

typedef struct {
  int height, width, channels;
} gm_shape;

typedef struct {
  int32_t multiplier;
  int shift;
} gm_factor;

/* Convolutions and pooling: the window, its steps, and how many rows and columns of padding stand before the input. */
typedef struct {
  int height, width, step_y, step_x, pad_y, pad_x, dilation_y, dilation_x;
} gm_window;

typedef struct {
  int32_t offset;
  int32_t low, high;
} gm_output;

static inline int32_t gm_clamp(int32_t x, int32_t low, int32_t high) {
  return x < low ? low : x > high ? high : x;
}

/* The high half of 2ab, rounded. */
static inline int32_t gm_high(int32_t a, int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  const int64_t product = (int64_t)a * b;
  const int64_t nudge = product >= 0 ? (int64_t)1 << 30 : 1 - ((int64_t)1 << 30);
  return (int32_t)((product + nudge) / ((int64_t)1 << 31));
}

/* x / 2^by, rounded to the nearest, halves away from zero. */
static inline int32_t gm_halve(int32_t x, int by) {
  const int32_t mask = (int32_t)(((int64_t)1 << by) - 1);
  const int32_t rest = x & mask;
  return (x >> by) + (rest > (mask >> 1) + (x < 0 ? 1 : 0) ? 1 : 0);
}

static inline int32_t gm_scaled(int32_t x, gm_factor by) {
  const int left = by.shift > 0 ? by.shift : 0;
  return gm_halve(gm_high((int32_t)((uint32_t)x << left), by.multiplier), left - by.shift);
}

static inline int8_t gm_narrow(int32_t x, gm_factor by, gm_output out) {
  return (int8_t)gm_clamp(gm_scaled(x, by) + out.offset, out.low, out.high);
}

/* `weights`: [out channels][window height][window width][in channels]. `groups`: a filter reads in.channels / groups. */
static inline void gm_conv(const int8_t *in, gm_shape from, int32_t in_offset, const int8_t *weights,
                           const int32_t *bias, const gm_factor *factors, gm_window by, int8_t *out, gm_shape to,
                           gm_output range) {
  for (int y = 0; y < to.height; ++y)
    for (int x = 0; x < to.width; ++x)
      for (int c = 0; c < to.channels; ++c) {
        int32_t sum = bias ? bias[c] : 0;
        for (int ky = 0; ky < by.height; ++ky) {
          const int row = y * by.step_y - by.pad_y + ky * by.dilation_y;
          if (row < 0 || row >= from.height) continue;
          for (int kx = 0; kx < by.width; ++kx) {
            const int column = x * by.step_x - by.pad_x + kx * by.dilation_x;
            if (column < 0 || column >= from.width) continue;
            const int8_t *w = weights + ((c * by.height + ky) * by.width + kx) * from.channels;
            const int8_t *v = in + (row * from.width + column) * from.channels;
            for (int k = 0; k < from.channels; ++k) sum += (int32_t)w[k] * (v[k] + in_offset);
          }
        }
        *out++ = gm_narrow(sum, factors[c], range);
      }
}

/* `weights`: [window height][window width][out channels]; output channel c reads input channel c / (out / in). */
static inline void gm_depthwise(const int8_t *in, gm_shape from, int32_t in_offset, const int8_t *weights,
                                const int32_t *bias, const gm_factor *factors, gm_window by, int8_t *out, gm_shape to,
                                gm_output range) {
  const int each = to.channels / from.channels;
  for (int y = 0; y < to.height; ++y)
    for (int x = 0; x < to.width; ++x)
      for (int c = 0; c < to.channels; ++c) {
        int32_t sum = bias ? bias[c] : 0;
        for (int ky = 0; ky < by.height; ++ky) {
          const int row = y * by.step_y - by.pad_y + ky * by.dilation_y;
          if (row < 0 || row >= from.height) continue;
          for (int kx = 0; kx < by.width; ++kx) {
            const int column = x * by.step_x - by.pad_x + kx * by.dilation_x;
            if (column < 0 || column >= from.width) continue;
            sum += (int32_t)weights[(ky * by.width + kx) * to.channels + c] *
                   (in[(row * from.width + column) * from.channels + c / each] + in_offset);
          }
        }
        *out++ = gm_narrow(sum, factors[c], range);
      }
}

/* `weights`: [outputs][inputs]. `factors`: one for each output where `each`, else one for all. */
static inline void gm_dense(const int8_t *in, int inputs, int32_t in_offset, const int8_t *weights,
                            const int32_t *bias, const gm_factor *factors, int each, int8_t *out, int outputs,
                            gm_output range) {
  for (int c = 0; c < outputs; ++c) {
    int32_t sum = bias ? bias[c] : 0;
    for (int k = 0; k < inputs; ++k) sum += (int32_t)weights[c * inputs + k] * (in[k] + in_offset);
    out[c] = gm_narrow(sum, factors[each ? c : 0], range);
  }
}

/* Two tensors of `count`, or one and a constant: `b_step` is 1 or 0. */
static inline void gm_add(const int8_t *a, int32_t a_offset, gm_factor a_factor, const int8_t *b, int b_step,
                          int32_t b_offset, gm_factor b_factor, gm_factor factor, int8_t *out, int count,
                          gm_output range) {
  for (int i = 0; i < count; ++i) {
    const int32_t left = gm_scaled((a[i] + a_offset) * (1 << 20), a_factor);
    const int32_t right = gm_scaled((b[i * b_step] + b_offset) * (1 << 20), b_factor);
    out[i] = gm_narrow(left + right, factor, range);
  }
}

static inline void gm_mul(const int8_t *a, int32_t a_offset, const int8_t *b, int b_step, int32_t b_offset,
                          gm_factor factor, int8_t *out, int count, gm_output range) {
  for (int i = 0; i < count; ++i)
    out[i] = gm_narrow((a[i] + a_offset) * (b[i * b_step] + b_offset), factor, range);
}

/* The mean of each channel over the map; `in_offset` is -zero_point. */
static inline void gm_mean(const int8_t *in, gm_shape from, int32_t in_offset, gm_factor factor, int8_t *out,
                           gm_output range) {
  const int count = from.height * from.width;
  for (int c = 0; c < from.channels; ++c) {
    int32_t sum = 0;
    for (int i = 0; i < count; ++i) sum += in[i * from.channels + c] + in_offset;
    out[c] = gm_narrow(sum, factor, range);
  }
}

/* Average over the part of the window that lies in the input (`largest` 0), or its maximum (1). Scales are the same. */
static inline void gm_pool(const int8_t *in, gm_shape from, gm_window by, int largest, int8_t *out, gm_shape to,
                           gm_output range) {
  for (int y = 0; y < to.height; ++y)
    for (int x = 0; x < to.width; ++x)
      for (int c = 0; c < to.channels; ++c) {
        int32_t sum = 0, count = 0, most = INT8_MIN;
        for (int ky = 0; ky < by.height; ++ky)
          for (int kx = 0; kx < by.width; ++kx) {
            const int row = y * by.step_y - by.pad_y + ky, column = x * by.step_x - by.pad_x + kx;
            if (row < 0 || row >= from.height || column < 0 || column >= from.width) continue;
            const int32_t value = in[(row * from.width + column) * from.channels + c];
            sum += value;
            most = value > most ? value : most;
            ++count;
          }
        const int32_t mean = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
        *out++ = (int8_t)gm_clamp(largest ? most : mean, range.low, range.high);
      }
}

/* -- softmax in fixed point: gemmlowp's exp and reciprocal (github.com/google/gemmlowp, doc/quantization.md) -- */

static inline int32_t gm_doubled(int32_t x, int by) { /* x * 2^by, saturated */
  const int64_t wide = (int64_t)x * ((int64_t)1 << by);
  return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* e^x for x <= 0 in Q5.26; the result in Q0.31. */
static inline int32_t gm_exp(int32_t x) {
  static const int32_t powers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  if (x == 0) return INT32_MAX;
  const int32_t quarter = 1 << 24;
  const int32_t part = (x & (quarter - 1)) - quarter; /* -1/4 <= part < 0 */
  /* The Taylor series of e^t about -1/8, to the fourth power. */
  const int32_t t = gm_doubled(part, 5) + (1 << 28), at = 1895147668;
  const int32_t t2 = gm_high(t, t), t3 = gm_high(t2, t), t4 = gm_high(t2, t2);
  const int32_t rest = gm_halve(gm_high(gm_halve(t4, 2) + t3, 715827883) + t2, 1);
  int32_t result = at + gm_high(at, t + rest);
  for (int bit = 0; bit < 7; ++bit) /* e^(-1/4), e^(-1/2), e^-1, ... e^-16 */
    if ((part - x) & (int32_t)((uint32_t)1 << (24 + bit))) result = gm_high(result, powers[bit]);
  return result;
}

/* 1 / (1 + x) for 0 <= x < 1 in Q0.31, by three steps of Newton's. */
static inline int32_t gm_reciprocal(int32_t x) {
  const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
  int32_t guess = 1515870810 + gm_high(half, -1010580540); /* 48/17 - 32/17 half, in Q2.29 */
  for (int i = 0; i < 3; ++i)
    guess += gm_doubled(gm_high(guess, (1 << 29) - gm_high(half, guess)), 2);
  return gm_doubled(guess, 1);
}

/* int8 to int8 of scale 1/256 and zero point -128. `factor` takes a difference to Q5.26; below `lowest` it is nothing. */
static inline void gm_softmax(const int8_t *in, int count, gm_factor factor, int32_t lowest, int8_t *out) {
  int32_t most = INT8_MIN, sum = 0;
  for (int i = 0; i < count; ++i) most = in[i] > most ? in[i] : most;
  for (int i = 0; i < count; ++i)
    if (in[i] - most >= lowest) sum += gm_halve(gm_exp(gm_scaled(in[i] - most, factor)), 12);
  int free_bits = 0;
  while (!((uint32_t)sum << free_bits & 0x80000000u)) ++free_bits;
  const int32_t scale = gm_reciprocal((int32_t)(((uint32_t)sum << free_bits) - 0x80000000u));
  for (int i = 0; i < count; ++i) {
    int32_t value = INT8_MIN;
    if (in[i] - most >= lowest)
      value += gm_halve(gm_high(scale, gm_exp(gm_scaled(in[i] - most, factor))), 12 - free_bits + 31 - 8);
    out[i] = (int8_t)gm_clamp(value, INT8_MIN, INT8_MAX);
  }
}

#endif
