/* Runs the self-test vectors on this board. The last line says PASS n/n when every answer is the portal's. */
#include "gristmill.h"

#ifndef ARDUINO /* where the sketch is the program */
#include <stdio.h>

static int winner(const gristmill_out *scores) {
  int best = 0;
  for (int i = 1; i < GRISTMILL_OUTPUTS; ++i)
    if (scores[i] > scores[best]) best = i;
  return best;
}

int main(void) {
  static gristmill_out answer[GRISTMILL_OUTPUTS];
  double furthest = 0;
  int passed = 0;
  if (gristmill_begin() != 0) {
    printf("FAIL 0/%d: the model does not start; is the arena large enough?\n", GRISTMILL_VECTORS);
    return 1;
  }
  for (int n = 0; n < GRISTMILL_VECTORS; ++n) {
    const gristmill_out *wanted = gristmill_vector_outputs + n * GRISTMILL_OUTPUTS;
    double off = 0;
    if (gristmill_run(gristmill_vector_inputs + (long)n * GRISTMILL_INPUTS, answer) != 0) {
      printf("vector %d: the model did not run\n", n);
      continue;
    }
    for (int i = 0; i < GRISTMILL_OUTPUTS; ++i) {
      const double difference = (double)answer[i] - (double)wanted[i];
      if (difference > off) off = difference;
      if (-difference > off) off = -difference;
    }
    if (off > furthest) furthest = off;
    if (off <= GRISTMILL_TOLERANCE && winner(answer) == winner(wanted))
      ++passed;
    else
      printf("vector %d: off by %ld millionths\n", n, (long)(off * 1e6));
  }
  printf("furthest off: %ld millionths\n", (long)(furthest * 1e6));
  printf("%s %d/%d\n", passed == GRISTMILL_VECTORS ? "PASS" : "FAIL", passed, GRISTMILL_VECTORS);
  return passed == GRISTMILL_VECTORS ? 0 : 1;
}
#endif
