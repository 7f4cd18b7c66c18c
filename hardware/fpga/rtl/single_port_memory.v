// A memory of one clock with one port, as an iCE40 UltraPlus has large ones: 16,384 words of 16 bits, that begin with
// nothing.
//
// write, address, write_data   written at the clock's edge
// address, read_data           else the word is there one cycle later
//
// INIT names a file for $readmemh; without one the memory starts as zeros in simulation, as anything in a chip.
module single_port_memory #(
    parameter WIDTH = 64,
    parameter DEPTH = 16384,
    parameter INIT  = ""
) (
    input  wire             clk,
    input  wire             write,
    input  wire [     15:0] address,
    input  wire [WIDTH-1:0] write_data,
    output reg  [WIDTH-1:0] read_data
);
  localparam BITS = $clog2(DEPTH);

  reg [WIDTH-1:0] words[0:DEPTH-1];

  integer at;
  initial begin
`ifndef SYNTHESIS
    for (at = 0; at < DEPTH; at = at + 1) words[at] = {WIDTH{1'b0}};
`endif
    if (INIT != "") $readmemh(INIT, words);
  end

  always @(posedge clk)
    if (write) words[address[BITS-1:0]] <= write_data;
    else read_data <= words[address[BITS-1:0]];
endmodule
