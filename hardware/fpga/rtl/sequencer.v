// What runs when: fetches an operation of WORDS words, lets the walker run it, waits until its last byte is written,
// then fetches the next, until the one that is marked as final.
//
// start             for one cycle, ignored while busy
// busy, cycles      cycles of this run or, when not busy, of the last
// program_*         the program's memory, read from address 0 up
// operation         the operation that runs; stays until the last of its bytes is written
// load              for one cycle, when `operation` is complete
// finished          from the walker, in the cycle of its last step
// Cycles of an operation: WORDS + 2 + the walker's + SETTLE.
module sequencer #(
    parameter WORDS  = 9,
    parameter SETTLE = 32
) (
    input  wire                clk,
    input  wire                reset,
    input  wire                start,
    output wire                busy,
    output reg  [        31:0] cycles,
    output reg  [        15:0] program_address,
    input  wire [        63:0] program_data,
    output reg  [WORDS*64-1:0] operation,
    output wire                load,
    input  wire                finished
);
  localparam IDLE = 3'd0, FETCH = 3'd1, LOAD = 3'd2, RUN = 3'd3, WAIT = 3'd4;

  reg [2:0] state;
  reg [$clog2(SETTLE)-1:0] count;

  assign busy = state != IDLE;
  assign load = state == LOAD;

  integer at;
  always @(posedge clk) begin
    if (busy) cycles <= cycles + 32'd1;
    // A word is there one cycle after its address.
    for (at = 0; at < WORDS; at = at + 1)
      if (state == FETCH && count == at + 1) operation[64*at+:64] <= program_data;

    case (state)
      IDLE:
      if (start) begin
        state <= FETCH;
        count <= 0;
        cycles <= 32'd0;
        program_address <= 16'd0;
      end
      FETCH:
      if (count == WORDS) state <= LOAD;
      else begin
        count <= count + 1'b1;
        program_address <= program_address + 16'd1;
      end
      LOAD: state <= RUN;
      RUN:
      if (finished) begin
        state <= WAIT;
        count <= 0;
      end
      default: begin  // WAIT
        count <= count + 1'b1;
        if (count == SETTLE - 1) begin
          state <= operation[0] ? IDLE : FETCH;
          count <= 0;
        end
      end
    endcase

    if (reset) begin
      state  <= IDLE;
      cycles <= 32'd0;
    end
  end
endmodule
