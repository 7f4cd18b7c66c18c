// One sum a cycle becomes one byte, as LiteRT's reference kernels round.
//
// sum, bias          their sum is multiplied; it must fit 32 bits
// scale              [34:0] multiplier, [40:35] shift, [41] round, [42] twice:
//   twice = 0        sum · multiplier / 2^(shift + 1), rounded once, halves away from zero
//   twice = 1        first sum · multiplier / 2^31, halves up; then as above
//   round = 0        nothing more is shifted away than by `shift`
// zero, low, high    added to the result, and the range that it is held in
// result             eleven cycles later; so is `valid_out`
//
// In signs and magnitudes: floor((−q + 2^30) / 2^31) = −floor((q + 2^30 − 1) / 2^31).
module requantiser (
    input  wire        clk,
    input  wire        reset,
    input  wire        valid,
    input  wire [31:0] sum,
    input  wire [31:0] bias,
    input  wire [42:0] scale,
    input  wire [ 7:0] zero,
    input  wire [ 7:0] low,
    input  wire [ 7:0] high,
    output reg         valid_out,
    output reg  [ 7:0] result
);
  // 1: with the bias. 2: sign and magnitude.
  reg [31:0] total, size;
  reg negative_2;
  reg [42:0] scale_1, scale_2;
  always @(posedge clk) begin
    total <= sum + bias;
    scale_1 <= scale;
    size <= total[31] ? -total : total;
    negative_2 <= total[31];
    scale_2 <= scale_1;
  end

  // 3: four products. 4 and 5: their sum.
  reg [34:0] low_low;
  reg [35:0] low_high;
  reg [30:0] high_low;
  reg [31:0] high_high;
  reg [36:0] middle;
  reg [66:0] outer, whole;
  always @(posedge clk) begin
    low_low <= size[17:0] * scale_2[16:0];
    low_high <= size[17:0] * scale_2[34:17];
    high_low <= size[31:18] * scale_2[16:0];
    high_high <= size[31:18] * scale_2[34:17];
    middle <= low_high + {5'd0, high_low, 1'b0};
    outer <= {high_high, low_low};
    whole <= outer + {13'd0, middle, 17'd0};
  end

  // What goes beside: sign, shift, round, twice.
  reg [8:0] beside_3, beside_4, beside_5, beside_6, beside_7, beside_8, beside_9;
  always @(posedge clk) begin
    beside_3 <= {negative_2, scale_2[42:35]};
    beside_4 <= beside_3;
    beside_5 <= beside_4;
    beside_6 <= beside_5;
    beside_7 <= beside_6;
    beside_8 <= beside_7;
    beside_9 <= beside_8;
  end

  // 6: the first of two roundings. 7 and 8: shifted, and held below 1024. 9: the last rounding.
  wire [66:0] nudged = whole + (beside_5[8] ? 67'h3fffffff : 67'h40000000);
  reg [66:0] once, coarse;
  reg [ 9:0] fine;
  reg [ 9:0] rounded;
  wire [66:0] shifted = coarse >> beside_7[2:0];
  always @(posedge clk) begin
    once <= beside_5[7] ? nudged >> 31 : whole;
    coarse <= once >> {beside_6[5:3], 3'd0};
    fine <= |shifted[66:10] ? 10'd1023 : shifted[9:0];
    rounded <= beside_8[6] ? {1'b0, fine[9:1]} + {9'd0, fine[0]} : (fine[9] ? 10'd512 : fine);
  end

  // 10: sign and zero point. 11: the range.
  reg signed [11:0] moved;
  wire signed [11:0] signed_low = {{4{low[7]}}, low};
  wire signed [11:0] signed_high = {{4{high[7]}}, high};
  always @(posedge clk) begin
    moved  <= (beside_9[8] ? -{2'b00, rounded} : {2'b00, rounded}) + {{4{zero[7]}}, zero};
    result <= moved < signed_low ? low : moved > signed_high ? high : moved[7:0];
  end

  reg [9:0] valid_before;
  always @(posedge clk) begin
    {valid_out, valid_before} <= {valid_before, valid};
    if (reset) {valid_out, valid_before} <= 11'd0;
  end
endmodule
