// Gowin's PLL, as far as our simulations need it: the clock goes through as it is, so a simulation's clock stands for
// the one that the PLL makes, whose settings it says nothing of (tests/fpga/test_boards.py reckons them).
module rPLL (
    input       CLKIN, CLKFB, RESET, RESET_P,
    input [5:0] FBDSEL, IDSEL, ODSEL,
    input [3:0] PSDA, DUTYDA, FDLY,
    output      CLKOUT, LOCK
);
    parameter FCLKIN = "27", DEVICE = "", CLKFB_SEL = "internal", IDIV_SEL = 0, FBDIV_SEL = 0, ODIV_SEL = 8;

    assign CLKOUT = CLKIN;
    assign LOCK = !RESET;

    initial if (CLKFB_SEL != "internal") $fatal(1, "rPLL: a mode that is not modelled");
endmodule
