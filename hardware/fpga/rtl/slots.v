// Counts the slots in which a group's sums leave, and says where the constants of each lie.
//
// PACE               cycles of a slot
// take               the sums leave from the next cycle on, for `slots` + 1 slots
// group_first, group_last, taps_inside   of the group that is taken
// by                 how constants are found: 0 one for all, 1 by channel, 2 by how many taps lay inside
// base               of the operation's constants
// first_valid, second_valid   of the two banks, in a point's last group: how many channels; all are valid in others
// constant           address, in each cycle of a slot
// valid              of the banks, in the first cycle of a slot
// step               in the last
module slots #(
    parameter PACE = 1
) (
    input  wire        clk,
    input  wire        reset,
    input  wire        take,
    input  wire        group_first,
    input  wire        group_last,
    input  wire [ 9:0] taps_inside,
    input  wire [ 2:0] slots,
    input  wire [ 1:0] by,
    input  wire [15:0] base,
    input  wire [ 3:0] first_valid,
    input  wire [ 3:0] second_valid,
    output wire [15:0] constant,
    output wire [ 1:0] valid,
    output wire        step
);
  reg active, in_last;
  reg [2:0] slot;
  reg [9:0] taps;
  reg [15:0] channel;

  assign constant = base + (by == 2'd1 ? channel : by == 2'd2 ? {6'd0, taps} : 16'd0);
  wire begins;
  generate
    if (PACE == 1) begin : at_once
      assign begins = 1'b1;
      assign step   = 1'b1;
    end else begin : slowly
      reg [$clog2(PACE)-1:0] count;
      assign begins = count == 0;
      assign step   = count == PACE - 1;
      always @(posedge clk) count <= take || step ? 0 : count + 1'b1;
    end
  endgenerate

  assign valid[0] = active && begins && (!in_last || {1'b0, slot} < first_valid);
  assign valid[1] = active && begins && (!in_last || {1'b0, slot} < second_valid);

  always @(posedge clk) begin
    if (active && step) begin
      slot <= slot + 3'd1;
      channel <= channel + 16'd1;
      if (slot == slots) active <= 1'b0;
    end
    if (take) begin
      active <= 1'b1;
      slot <= 3'd0;
      in_last <= group_last;
      taps <= taps_inside;
      if (group_first) channel <= 16'd0;
    end
    if (reset) active <= 1'b0;
  end
endmodule
