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
  // Registers of their own: most of a simulation's time is spent here, and with one for all pairs it is half as much
  // again.
  wire signed [15:0] product_0, product_1, product_2, product_3, product_4, product_5, product_6, product_7;
  products two_0 (.clk(clk), .a(data[15:0]), .b(weights[15:0]), .products({product_1, product_0}));
  products two_1 (.clk(clk), .a(data[31:16]), .b(weights[31:16]), .products({product_3, product_2}));
  products two_2 (.clk(clk), .a(data[47:32]), .b(weights[47:32]), .products({product_5, product_4}));
  products two_3 (.clk(clk), .a(data[63:48]), .b(weights[63:48]), .products({product_7, product_6}));

  reg signed [16:0] pair_0, pair_1, pair_2, pair_3;
  reg signed [18:0] total;
  always @(posedge clk) begin
    pair_0 <= product_0 + product_1;
    pair_1 <= product_2 + product_3;
    pair_2 <= product_4 + product_5;
    pair_3 <= product_6 + product_7;
    total  <= (pair_0 + pair_1) + (pair_2 + pair_3);
    if (add) sum <= (first ? 32'd0 : sum) + {{13{total[18]}}, total};
  end
endmodule
