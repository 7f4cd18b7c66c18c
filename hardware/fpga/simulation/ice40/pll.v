// iCE40's PLLs, as far as our simulations need them: the clock goes through as it is, so a simulation's clock stands for
// the one that the PLL makes, whose settings it says nothing of (tests/fpga/test_boards.py reckons them).
module SB_PLL40_CORE (input REFERENCECLK, RESETB, BYPASS, output PLLOUTGLOBAL, LOCK);
    parameter FEEDBACK_PATH = "SIMPLE", DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0;

    assign PLLOUTGLOBAL = REFERENCECLK;
    assign LOCK = RESETB;

    initial if (FEEDBACK_PATH != "SIMPLE") $fatal(1, "SB_PLL40: a mode that is not modelled");
endmodule

// The same, from a pin of its own.
module SB_PLL40_PAD (input PACKAGEPIN, RESETB, BYPASS, output PLLOUTGLOBAL, LOCK);
    parameter FEEDBACK_PATH = "SIMPLE", DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0;

    SB_PLL40_CORE #(.FEEDBACK_PATH(FEEDBACK_PATH)) core (
        .REFERENCECLK(PACKAGEPIN), .RESETB(RESETB), .BYPASS(BYPASS), .PLLOUTGLOBAL(PLLOUTGLOBAL), .LOCK(LOCK)
    );
endmodule
