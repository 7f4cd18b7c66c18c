// As ../products.v, in one multiplier of an iCE40 UltraPlus: FPGA-TN-02007, "DSP Function Usage Guide for iCE40
// Devices", figure "two 8 × 8 multipliers" with their pipeline registers. Yosys would take one multiplier for each
// product, of which the chip has too few.
module products (
    input  wire        clk,
    input  wire [15:0] a,
    input  wire [15:0] b,
    output wire [31:0] products
);
  localparam [1:0] PRODUCT = 2'd2;  // at the outputs, not the adders behind it

  SB_MAC16 #(
      .MODE_8x8(1'b1), .A_SIGNED(1'b1), .B_SIGNED(1'b1), .TOP_8x8_MULT_REG(1'b1), .BOT_8x8_MULT_REG(1'b1),
      .TOPOUTPUT_SELECT(PRODUCT), .BOTOUTPUT_SELECT(PRODUCT)
  ) multiplier (
      .CLK(clk), .CE(1'b1), .A(a), .B(b), .C(16'd0), .D(16'd0), .O(products),
      .AHOLD(1'b0), .BHOLD(1'b0), .CHOLD(1'b0), .DHOLD(1'b0), .OHOLDTOP(1'b0), .OHOLDBOT(1'b0),
      .IRSTTOP(1'b0), .IRSTBOT(1'b0), .ORSTTOP(1'b0), .ORSTBOT(1'b0), .OLOADTOP(1'b0), .OLOADBOT(1'b0),
      .ADDSUBTOP(1'b0), .ADDSUBBOT(1'b0), .CI(1'b0), .ACCUMCI(1'b0), .SIGNEXTIN(1'b0)
  );
endmodule
