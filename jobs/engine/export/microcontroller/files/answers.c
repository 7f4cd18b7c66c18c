/* In no bundle: answers the inputs in one file, one after the other, into another. */
#include <stdio.h>

#include "gristmill.h"

int main(int argc, char **argv) {
  static gristmill_in input[GRISTMILL_INPUTS];
  static gristmill_out output[GRISTMILL_OUTPUTS];
  FILE *from = argc == 3 ? fopen(argv[1], "rb") : NULL, *to = from ? fopen(argv[2], "wb") : NULL;
  if (!to || gristmill_begin() != 0) return 1;
  while (fread(input, sizeof input, 1, from) == 1)
    if (gristmill_run(input, output) != 0 || fwrite(output, sizeof output, 1, to) != 1) return 1;
  return fclose(to) != 0;
}
