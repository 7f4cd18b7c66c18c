// What an iCE40's logic cells are made of: a table of four inputs, a carry, a flip-flop that starts as zero. Lattice's
// iCE Technology Library, as far as netlists of ours use it: no flip-flops of the falling edge, nor with a reset that
// does not wait for the clock.
module SB_LUT4 (input I0, I1, I2, I3, output O);
    parameter [15:0] LUT_INIT = 16'd0;
    assign O = LUT_INIT[{I3, I2, I1, I0}];
endmodule

module SB_CARRY (input I0, I1, CI, output CO);
    assign CO = (I0 & I1) | (CI & (I0 | I1));
endmodule

module SB_DFF (input C, D, output reg Q);
    initial Q = 1'b0;
    always @(posedge C) Q <= D;
endmodule

module SB_DFFE (input C, E, D, output reg Q);
    initial Q = 1'b0;
    always @(posedge C) if (E) Q <= D;
endmodule

module SB_DFFSR (input C, R, D, output reg Q);
    initial Q = 1'b0;
    always @(posedge C) Q <= D && !R;
endmodule

module SB_DFFSS (input C, S, D, output reg Q);
    initial Q = 1'b0;
    always @(posedge C) Q <= D || S;
endmodule

// With an enable, a synchronous reset or set waits for it.
module SB_DFFESR (input C, E, R, D, output reg Q);
    initial Q = 1'b0;
    always @(posedge C) if (E) Q <= D && !R;
endmodule

module SB_DFFESS (input C, E, S, D, output reg Q);
    initial Q = 1'b0;
    always @(posedge C) if (E) Q <= D || S;
endmodule
