/* One answer, printed. Your camera's pixels or your sensor's values belong into `take`. */
#include "gristmill.h"

#ifndef ARDUINO /* where the sketch is the program */
#include <stdio.h>

static gristmill_in input[GRISTMILL_INPUTS];
static gristmill_out output[GRISTMILL_OUTPUTS];

/* A grey picture, or a row of one value. A picture comes row by row, each pixel's colours one after the other. */
static void take(void) {
  for (int i = 0; i < GRISTMILL_INPUTS; ++i) input[i] = gristmill_quantised(128);
}

int main(void) {
  int best = 0;
  if (gristmill_begin() != 0) {
    puts("The model does not start; is the arena large enough?");
    return 1;
  }
  take();
  if (gristmill_run(input, output) != 0) {
    puts("The model did not run.");
    return 1;
  }
  for (int i = 1; i < GRISTMILL_OUTPUTS; ++i)
    if (output[i] > output[best]) best = i;
  /* In thousandths: many boards print no floats. */
  const long thousandths = (long)(1000 * gristmill_score(output[best]));
#if GRISTMILL_LABELS
  printf("%s: %ld of 1000\n", gristmill_labels[best], thousandths);
#else
  printf("%ld thousandths\n", thousandths);
#endif
  return 0;
}
#endif
