// One sum in sixteen cycles becomes one byte, as requantiser.v makes it: for chips without multipliers to spare.
//
// valid, sum, bias   at most every sixteenth cycle; their sum must fit 32 bits
// scale              as requantiser.v has it, and stays for 8 cycles more. `round` may be 0 with `twice` alone, and at
//                    most 62 places are shifted away in all
// zero, low, high    stay until the result is there
// result             17 cycles after `valid`; so is `valid_out`
//
// In two's complement. Eight cycles multiply by four bits of the sum each; with `twice` the product begins with 2^30,
// so that what lies above its 31st bit is rounded half up. Up to seven more shift by four bits each, and the last by
// what is left of the places but one: the lowest bit of `shifted` is then the highest of those to be shifted away.
// `more` and `more_near` tell whether a lower one is set: halves go away from zero.
module serial_requantiser (
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
  localparam LAST_BITS = 4'd7, PRODUCT = 4'd8, LAST = 4'd15;

  reg [3:0] count;
  reg begun;
  wire multiplying = !count[3];
  wire shifting = count[3];

  // The product is {upper, lower}; above what there is of it, `lower` still holds bits of the sum.
  reg signed [35:0] upper;
  reg [31:0] lower;
  wire [3:0] bits = multiplying ? lower[3:0] : 4'd0;
  wire signed [36:0] multiplier = {2'b00, scale[34:0]};
  wire signed [39:0] ones = bits[0] ? multiplier : 37'sd0;
  wire signed [39:0] twos = bits[1] ? multiplier : 37'sd0;
  wire signed [39:0] fours = bits[2] ? multiplier : 37'sd0;
  wire signed [39:0] eights = bits[3] ? (count == LAST_BITS ? -multiplier : multiplier) : 37'sd0;
  wire signed [39:0] next = ((upper + ones) + (twos <<< 1)) + ((fours <<< 2) + (eights <<< 3));

  // How far what is rounded last lies above the lowest bit: of all the product, or of `upper`.
  reg twice, round, far;
  reg [2:0] coarse;
  reg [1:0] fine;
  wire [5:0] place = scale[40:35] + (scale[42] ? 6'd30 + {5'd0, scale[41]} : 6'd0);
  wire step = shifting && coarse != 3'd0;

  // Of a product that is rounded twice, only what lies above the first rounding counts.
  reg more;
  wire more_below = count == PRODUCT ? far && (twice ? lower[31] : |lower) : more;
  wire more_here = far ? |upper[3:0] : !twice && |lower[3:0];

  always @(posedge clk) begin
    if (valid) begin
      count <= 4'd0;
      begun <= 1'b1;
      upper <= scale[42] ? 36'sd1 <<< 30 : 36'sd0;
      lower <= sum + bias;
      {twice, round} <= scale[42:41];
      {far, coarse, fine} <= place;
    end else begin
      count <= count + 4'd1;
      if (count == LAST) begun <= 1'b0;
      if (multiplying || step) begin
        upper <= next >>> 4;
        lower <= {next[3:0], lower[31:4]};
      end
      if (shifting) more <= more_below || (step && more_here);
      if (step) coarse <= coarse - 3'd1;
    end
    if (reset) begun <= 1'b0;
  end

  // The last step: shifted by what is left, rounded, moved by the zero point, held in the range.
  wire negative = upper[35];
  wire [13:0] near = far ? upper[13:0] : lower[13:0];
  wire signed [13:0] shifted = $signed(near) >>> fine;
  wire more_near = (far || !twice) && |(near[2:0] & ~(3'd7 << fine));
  wire fits = (upper[35:13] == {23{negative}}) && (far || {upper[12:0], lower[31:13]} == {32{negative}});
  wire signed [12:0] value = fits ? shifted[13:1] : {negative, {12{!negative}}};
  wire up = round && shifted[0] && (!negative || more || more_near);
  wire signed [13:0] moved = value + $signed(zero) + $signed({1'b0, up});
  always @(posedge clk) begin
    valid_out <= begun && count == LAST && !reset;
    if (count == LAST) result <= moved < $signed(low) ? low : moved > $signed(high) ? high : moved[7:0];
  end
endmodule
