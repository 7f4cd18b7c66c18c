// The host's side of the memories: bytes come one a cycle, and are written as each memory takes them.
//
// The address's top four bits choose the memory: 0 program, 1 weights, 2 constants, 3 tables, 4 activations; the rest
// is a byte's place in it. Activations are written byte by byte. The others are written in words of eight bytes, with
// the eighth: its seven fellows must come just before it, in rising order.
//
// bus_*            one byte, ignored while `locked`
// word, place      a word and its number in its memory, with one of `to_*` for one cycle
// byte_*           a byte for the activations: a bit of byte_mask chooses its place in the word
// Latency: one cycle.
module loader (
    input  wire        clk,
    input  wire        locked,
    input  wire        bus_write,
    input  wire [23:0] bus_address,
    input  wire [ 7:0] bus_data,
    output reg  [63:0] word,
    output reg  [16:0] place,
    output reg         to_program,
    output reg         to_weights,
    output reg         to_constants,
    output reg         to_tables,
    output reg  [ 7:0] byte_mask,
    output reg  [15:0] byte_address,
    output reg  [ 7:0] byte_data
);
  wire taken = bus_write && !locked;
  wire whole = taken && bus_address[2:0] == 3'd7;
  wire [3:0] chosen = bus_address[23:20];

  always @(posedge clk) begin
    if (taken) word <= {bus_data, word[63:8]};
    place <= bus_address[19:3];
    to_program <= whole && chosen == 4'd0;
    to_weights <= whole && chosen == 4'd1;
    to_constants <= whole && chosen == 4'd2;
    to_tables <= whole && chosen == 4'd3;
    byte_mask <= taken && chosen == 4'd4 ? 8'd1 << bus_address[2:0] : 8'd0;
    byte_address <= bus_address[18:3];
    byte_data <= bus_data;
  end
endmodule
