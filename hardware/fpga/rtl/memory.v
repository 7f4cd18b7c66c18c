// A memory of one clock with one port to write and one to read, as block RAMs have them.
//
// write, write_address, write_data   written at the clock's edge
// read_address, read_data            the word is there one cycle later
//
// What is read in the cycle that writes the same address is not defined. INIT names a file for $readmemh;
// without one the memory starts as zeros.
module memory #(
    parameter WIDTH = 64,
    parameter DEPTH = 512,
    parameter INIT  = ""
) (
    input  wire             clk,
    input  wire             write,
    input  wire [     15:0] write_address,
    input  wire [WIDTH-1:0] write_data,
    input  wire [     15:0] read_address,
    output reg  [WIDTH-1:0] read_data
);
  localparam BITS = $clog2(DEPTH);

  (* no_rw_check *)
  reg [WIDTH-1:0] words[0:DEPTH-1];

  integer at;
  initial begin
`ifndef SYNTHESIS
    for (at = 0; at < DEPTH; at = at + 1) words[at] = {WIDTH{1'b0}};
`endif
    if (INIT != "") $readmemh(INIT, words);
  end

  always @(posedge clk) begin
    if (write) words[write_address[BITS-1:0]] <= write_data;
    read_data <= words[read_address[BITS-1:0]];
  end
endmodule
