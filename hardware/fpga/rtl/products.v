// Two products of signed bytes, a cycle later.
//
// a, b               two bytes each, multiplied place by place
// products           16 bits each
module products (
    input  wire        clk,
    input  wire [15:0] a,
    input  wire [15:0] b,
    output reg  [31:0] products
);
  always @(posedge clk) begin
    products[15:0]  <= $signed(a[7:0]) * $signed(b[7:0]);
    products[31:16] <= $signed(a[15:8]) * $signed(b[15:8]);
  end
endmodule
