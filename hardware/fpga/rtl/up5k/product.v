// As ../product.v, in a multiplier of an iCE40 UltraPlus (FPGA-TN-02007, "DSP Function Usage Guide for iCE40 Devices"):
// 16 × 16 bits, with the register behind it.
module product (
    input  wire               clk,
    input  wire signed [ 8:0] a,
    input  wire signed [ 8:0] b,
    output wire signed [17:0] product
);
  localparam [1:0] PRODUCT = 2'd3;  // at the outputs, not the adders behind it
  wire [31:0] whole;
  assign product = whole[17:0];

  SB_MAC16 #(
      .A_SIGNED(1'b1), .B_SIGNED(1'b1), .PIPELINE_16x16_MULT_REG2(1'b1), .TOPOUTPUT_SELECT(PRODUCT),
      .BOTOUTPUT_SELECT(PRODUCT)
  ) multiplier (
      .CLK(clk), .CE(1'b1), .A({{7{a[8]}}, a}), .B({{7{b[8]}}, b}), .C(16'd0), .D(16'd0), .O(whole),
      .AHOLD(1'b0), .BHOLD(1'b0), .CHOLD(1'b0), .DHOLD(1'b0), .OHOLDTOP(1'b0), .OHOLDBOT(1'b0),
      .IRSTTOP(1'b0), .IRSTBOT(1'b0), .ORSTTOP(1'b0), .ORSTBOT(1'b0), .OLOADTOP(1'b0), .OLOADBOT(1'b0),
      .ADDSUBTOP(1'b0), .ADDSUBBOT(1'b0), .CI(1'b0), .ACCUMCI(1'b0), .SIGNEXTIN(1'b0)
  );
endmodule
