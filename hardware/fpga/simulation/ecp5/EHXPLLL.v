// ECP5's PLL, as far as our simulations need it: the clock goes through as it is, so a simulation's clock stands for
// the one that the PLL makes, whose settings it says nothing of (tests/fpga/test_boards.py reckons them).
module EHXPLLL (
    input  CLKI, CLKFB, PHASESEL1, PHASESEL0, PHASEDIR, PHASESTEP, PHASELOADREG, STDBY, PLLWAKESYNC, RST, ENCLKOP,
    output CLKOP, LOCK
);
    parameter CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 8, CLKOP_CPHASE = 0, CLKOP_FPHASE = 0;
    parameter CLKOP_ENABLE = "ENABLED", FEEDBK_PATH = "CLKOP", OUTDIVIDER_MUXA = "DIVA", STDBY_ENABLE = "DISABLED";
    parameter DPHASE_SOURCE = "DISABLED", PLLRST_ENA = "DISABLED", INTFB_WAKE = "DISABLED";

    assign CLKOP = CLKI;
    assign LOCK = 1'b1;

    initial if (CLKOP_ENABLE != "ENABLED" || FEEDBK_PATH != "CLKOP") $fatal(1, "EHXPLLL: a mode that is not modelled");
endmodule
