// One output channel of the array: eight products of 8 bits a cycle, added up.
//
// data, weights      eight signed bytes each, multiplied place by place
// add, first         three cycles behind `data`: add what it made, or begin anew with it
// sum                one cycle behind `add`
// Latency, data to sum: four cycles (products, pairs, total, sum).
module mac_row (
    input  wire        clk,
    input  wire [63:0] data,
    input  wire [63:0] weights,
    input  wire        add,
    input  wire        first,
    output reg  [31:0] sum
);
  wire [67:0] pairs;
  genvar at;
  generate
    for (at = 0; at < 4; at = at + 1) begin : couple
      wire signed [15:0] even, odd;
      reg signed [16:0] pair;
      products two (
          .clk(clk), .a(data[16*at+:16]), .b(weights[16*at+:16]), .products({odd, even})
      );
      always @(posedge clk) pair <= even + odd;
      assign pairs[17*at+:17] = pair;
    end
  endgenerate

  reg signed [18:0] total;
  always @(posedge clk) begin
    total <= ($signed(pairs[16:0]) + $signed(pairs[33:17])) + ($signed(pairs[50:34]) + $signed(pairs[67:51]));
    if (add) sum <= (first ? 32'd0 : sum) + {{13{total[18]}}, total};
  end
endmodule
