// The product of two signed numbers of 9 bits, a cycle later.
module product (
    input  wire               clk,
    input  wire signed [ 8:0] a,
    input  wire signed [ 8:0] b,
    output reg  signed [17:0] product
);
  always @(posedge clk) product <= a * b;
endmodule
