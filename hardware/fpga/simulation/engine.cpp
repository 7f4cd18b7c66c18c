// The engine under Verilator, driven over stdin and stdout. Numbers are of 32 bits, the least significant byte first.
//
//   W address length bytes     writes, a byte a cycle
//   R address length           answers the bytes
//   S most                     starts, waits until it is no longer busy; answers the cycles, or 2^32 − 1 after `most`
//
// With DIVISOR, a board's netlist (netlist.py), whose serial line takes so many cycles a bit:
//
//   D direct                   whether the commands above drive the engine's bus, or the board's own circuit does
//   L length bytes             sends bytes on the line; answers the number of bytes that came meanwhile, and these
//   P cycles                   lets time pass; answers likewise
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vengine.h"
#include "verilated.h"

static Vengine engine;

static void tick() {
  engine.clk = 0;
  engine.eval();
  engine.clk = 1;
  engine.eval();
}

static uint32_t number() {
  uint8_t bytes[4];
  if (fread(bytes, 1, 4, stdin) != 4) exit(1);
  return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

static std::vector<uint8_t> bytes_given(uint32_t length) {
  std::vector<uint8_t> bytes(length);
  if (length && fread(bytes.data(), 1, length, stdin) != length) exit(1);
  return bytes;
}

static void answer(uint32_t value) {
  for (int at = 0; at < 4; ++at) putchar(value >> 8 * at & 255);
}

static void write_bytes(uint32_t address, uint32_t length) {
  const std::vector<uint8_t> bytes = bytes_given(length);
  engine.bus_write = 1;
  for (uint8_t each : bytes) {
    engine.bus_address = address++;
    engine.bus_data = each;
    tick();
  }
  engine.bus_write = 0;
  tick();
}

static void read_bytes(uint32_t address, uint32_t length) {
  uint32_t asked = 0, got = 0;
  while (got < length) {
    engine.bus_read = asked < length;
    engine.bus_address = address + asked;
    asked += engine.bus_read;
    tick();
    if (engine.bus_valid) {
      putchar(engine.bus_q);
      ++got;
    }
  }
  engine.bus_read = 0;
}

static uint32_t run(uint32_t most) {
  engine.start = 1;
  tick();
  engine.start = 0;
  for (uint32_t cycles = 0; engine.busy; ++cycles) {
    if (cycles == most) return UINT32_MAX;
    tick();
  }
  return engine.cycles;
}

#ifdef DIVISOR
static const int POWER_ON = 300;  // cycles in which the board holds itself in reset, and some more

static std::vector<uint8_t> came;
static int place = -1, left = 0;
static uint8_t coming;

// Looks at what the board sends, once a cycle, and at each bit in its middle.
static void listen() {
  if (place < 0) {
    if (engine.tx) return;
    place = 0;
    left = DIVISOR + DIVISOR / 2 - 1;
  } else if (left) {
    --left;
  } else {
    left = DIVISOR - 1;
    if (place < 8) {
      coming = coming >> 1 | engine.tx << 7;
      ++place;
    } else {
      if (engine.tx) came.push_back(coming);
      place = -1;
    }
  }
}

static void pass(uint32_t cycles) {
  while (cycles--) {
    tick();
    listen();
  }
}

static void send(uint8_t data) {
  const int bits = 1 << 9 | data << 1;
  for (int at = 0; at < 10; ++at) {
    engine.rx = bits >> at & 1;
    pass(DIVISOR);
  }
}

static void answer_what_came() {
  answer(came.size());
  fwrite(came.data(), 1, came.size(), stdout);
  came.clear();
}
#endif

static bool done(int command, uint32_t first) {
  if (command == 'W') write_bytes(first, number());
  else if (command == 'R') read_bytes(first, number());
  else if (command == 'S') answer(run(first));
#ifdef DIVISOR
  else if (command == 'D') engine.direct = first;
  else if (command == 'L') {
    for (uint8_t each : bytes_given(first)) send(each);
    answer_what_came();
  } else if (command == 'P') {
    pass(first);
    answer_what_came();
  }
#endif
  else return false;
  return true;
}

int main() {
  engine.reset = 1;
#ifdef DIVISOR
  engine.rx = 1;
  pass(POWER_ON);
#endif
  tick();
  tick();
  engine.reset = 0;
  for (int command; (command = getchar()) != EOF; fflush(stdout))
    if (!done(command, number())) return 2;
  return 0;
}
