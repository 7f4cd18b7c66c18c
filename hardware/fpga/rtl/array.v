// The array: OUTPUTS channels that each multiply the same eight inputs by weights of their own, and what holds their
// sums while they are taken out one by one, from the first channel up: in banks of eight (of OUTPUTS, if fewer).
//
// data, weights      weights[64*o +: 64] are those of channel o
// add, first         three cycles behind `data`
// take               one cycle behind the group's last `add`: the sums are held, the array is free
// step               the next channel's sums, from the next cycle on
// sums               32 bits of each bank, from the cycle behind `take` on
module array #(
    parameter OUTPUTS = 8,
    parameter SLOTS   = 8,
    parameter BANKS   = 1
) (
    input  wire                  clk,
    input  wire [          63:0] data,
    input  wire [OUTPUTS*64-1:0] weights,
    input  wire                  add,
    input  wire                  first,
    input  wire                  take,
    input  wire                  step,
    output wire [  BANKS*32-1:0] sums
);
  wire [OUTPUTS*32-1:0] sum;
  genvar at;
  generate
    for (at = 0; at < OUTPUTS; at = at + 1) begin : channel
      mac_row row (
          .clk(clk),
          .data(data),
          .weights(weights[64*at+:64]),
          .add(add),
          .first(first),
          .sum(sum[32*at+:32])
      );
    end
    for (at = 0; at < BANKS; at = at + 1) begin : bank
      reg [SLOTS*32-1:0] held;
      always @(posedge clk) held <= take ? sum[32*SLOTS*at+:32*SLOTS] : step ? held >> 32 : held;
      assign sums[32*at+:32] = held[31:0];
    end
  endgenerate
endmodule
