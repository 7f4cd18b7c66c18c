// What is done byte by byte: the greatest of a window, sums of two tables' entries, products.
//
// data, add, first, second   a word of a window's tap (the first begins anew), or of the second operand
// take                       one cycle behind a group's last word: both words are taken
// step                       the next byte of each, from the next cycle on
// operation                  0 the first operand as it is, 1 the sum of two tables' entries, 2 the product
// still_a, still_b           stay at the first byte
// index_a, index_b           the bytes as places in tables of 256, from −128 up; entry_a, entry_b come a cycle later
// sum                        three cycles behind its bytes; the first byte is there one cycle behind `take`
module elements (
    input  wire        clk,
    input  wire [63:0] data,
    input  wire        add,
    input  wire        first,
    input  wire        second,
    input  wire        take,
    input  wire        step,
    input  wire [ 1:0] operation,
    input  wire        still_a,
    input  wire        still_b,
    input  wire [ 7:0] zero_a,
    input  wire [ 7:0] zero_b,
    output wire [ 7:0] index_a,
    output wire [ 7:0] index_b,
    input  wire [31:0] entry_a,
    input  wire [31:0] entry_b,
    output reg  [31:0] sum
);
  reg [63:0] greatest, other, a, b;
  reg signed [8:0] a_less_zero, b_less_zero;
  wire signed [17:0] product;
  reg [7:0] plain_1, plain_2;
  reg [31:0] held_a, held_b;

  assign index_a = a[7:0] ^ 8'h80;
  assign index_b = b[7:0] ^ 8'h80;

  product multiplied (.clk(clk), .a(a_less_zero), .b(b_less_zero), .product(product));

  integer at;
  always @(posedge clk) begin
    if (add && second) other <= data;
    if (add && !second)
      for (at = 0; at < 8; at = at + 1)
        if (first || $signed(data[8*at+:8]) > $signed(greatest[8*at+:8])) greatest[8*at+:8] <= data[8*at+:8];

    a <= take ? greatest : still_a || !step ? a : a >> 8;
    b <= take ? other : still_b || !step ? b : b >> 8;

    plain_1 <= a[7:0];
    a_less_zero <= {a[7], a[7:0]} - {zero_a[7], zero_a};
    b_less_zero <= {b[7], b[7:0]} - {zero_b[7], zero_b};

    plain_2 <= plain_1;
    held_a <= entry_a;
    held_b <= entry_b;

    case (operation)
      2'd1: sum <= held_a + held_b;
      2'd2: sum <= {{14{product[17]}}, product};
      default: sum <= {{24{plain_2[7]}}, plain_2};
    endcase
  end
endmodule
