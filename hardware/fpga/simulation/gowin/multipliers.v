// Gowin's multipliers, as far as netlists of ours use them: without registers or cascades. UG287, "Gowin DSP User Guide".
// Yosys has them as black boxes. What is not modelled ends the simulation, or has no port here.
module multiplier #(
    parameter WIDTH = 9, REGISTERS = 0
) (
    input  [WIDTH-1:0]   a, b,
    input                sign_a, sign_b, cascade,
    output [2*WIDTH-1:0] product
);
    wire signed [WIDTH:0] left = {sign_a && a[WIDTH-1], a};
    wire signed [WIDTH:0] right = {sign_b && b[WIDTH-1], b};
    wire signed [2*WIDTH+1:0] whole = left * right;
    assign product = whole[2*WIDTH-1:0];

    initial if (REGISTERS) $fatal(1, "multiplier: a mode that is not modelled");
    always @(*) if (cascade) $fatal(1, "multiplier: a cascade is not modelled");
endmodule

module MULT9X9 (
    input  [8:0] A, B, SIA, SIB,
    input         ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [17:0] DOUT
);
    parameter AREG = 0, BREG = 0, OUT_REG = 0, PIPE_REG = 0, ASIGN_REG = 0, BSIGN_REG = 0, SOA_REG = 0;
    parameter MULT_RESET_MODE = "SYNC";

    multiplier #(.WIDTH(9), .REGISTERS(AREG + BREG + OUT_REG + PIPE_REG + ASIGN_REG + BSIGN_REG)) multiplier (
        .a(A), .b(B), .sign_a(ASIGN), .sign_b(BSIGN), .cascade(ASEL || BSEL), .product(DOUT)
    );
endmodule

module MULT18X18 (
    input  [17:0] A, B, SIA, SIB,
    input         ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [35:0] DOUT
);
    parameter AREG = 0, BREG = 0, OUT_REG = 0, PIPE_REG = 0, ASIGN_REG = 0, BSIGN_REG = 0, SOA_REG = 0;
    parameter MULT_RESET_MODE = "SYNC";

    multiplier #(.WIDTH(18), .REGISTERS(AREG + BREG + OUT_REG + PIPE_REG + ASIGN_REG + BSIGN_REG)) multiplier (
        .a(A), .b(B), .sign_a(ASIGN), .sign_b(BSIGN), .cascade(ASEL || BSEL), .product(DOUT)
    );
endmodule
