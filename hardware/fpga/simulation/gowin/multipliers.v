// Gowin's multipliers, as far as netlists of ours use them: without registers or cascades. UG287, "Gowin DSP User Guide".
// Yosys has them as black boxes. What is not modelled ends the simulation, or has no port here.
module MULT9X9 (
    input  [8:0] A, B, SIA, SIB,
    input         ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [17:0] DOUT
);
    parameter AREG = 0, BREG = 0, OUT_REG = 0, PIPE_REG = 0, ASIGN_REG = 0, BSIGN_REG = 0, SOA_REG = 0;
    parameter MULT_RESET_MODE = "SYNC";

    wire signed [9:0] a = {ASIGN && A[8], A};
    wire signed [9:0] b = {BSIGN && B[8], B};
    wire signed [19:0] product = a * b;
    assign DOUT = product[17:0];

    initial
        if (AREG || BREG || OUT_REG || PIPE_REG || ASIGN_REG || BSIGN_REG)
            $fatal(1, "MULT9X9: a mode that is not modelled");
    always @(*) if (ASEL || BSEL) $fatal(1, "MULT9X9: a cascade is not modelled");
endmodule

module MULT18X18 (
    input  [17:0] A, B, SIA, SIB,
    input         ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [35:0] DOUT
);
    parameter AREG = 0, BREG = 0, OUT_REG = 0, PIPE_REG = 0, ASIGN_REG = 0, BSIGN_REG = 0, SOA_REG = 0;
    parameter MULT_RESET_MODE = "SYNC";

    wire signed [18:0] a = {ASIGN && A[17], A};
    wire signed [18:0] b = {BSIGN && B[17], B};
    wire signed [37:0] product = a * b;
    assign DOUT = product[35:0];

    initial
        if (AREG || BREG || OUT_REG || PIPE_REG || ASIGN_REG || BSIGN_REG)
            $fatal(1, "MULT18X18: a mode that is not modelled");
    always @(*) if (ASEL || BSEL) $fatal(1, "MULT18X18: a cascade is not modelled");
endmodule
