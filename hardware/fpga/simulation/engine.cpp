// The engine under Verilator, driven over stdin and stdout. Numbers are of 32 bits, the least significant byte first.
//
//   W address length bytes     writes, a byte a cycle
//   R address length           answers the bytes
//   S most                     starts, waits until it is no longer busy; answers the cycles, or 2^32 − 1 after `most`
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

static void answer(uint32_t value) {
  for (int at = 0; at < 4; ++at) putchar(value >> 8 * at & 255);
}

static void write_bytes(uint32_t address, uint32_t length) {
  std::vector<uint8_t> bytes(length);
  if (length && fread(bytes.data(), 1, length, stdin) != length) exit(1);
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

int main() {
  engine.reset = 1;
  tick();
  tick();
  engine.reset = 0;
  for (int command; (command = getchar()) != EOF; fflush(stdout)) {
    const uint32_t first = number();
    if (command == 'W') write_bytes(first, number());
    else if (command == 'R') read_bytes(first, number());
    else if (command == 'S') answer(run(first));
    else return 2;
  }
  return 0;
}
