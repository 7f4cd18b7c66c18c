// ECP5's block RAM, as far as netlists of ours use it: two ports without output registers, of 1, 2, 4, 9, 18 or 36 bits
// (36: the low half on port A's pins, the high one on B's; A writes, B reads). FPGA-TN-02204, "ECP5 and ECP5-5G Memory
// Usage Guide". Yosys has it as a black box.
//
// A word of 18 bits has its first half of 9 bits at the even place; 1, 2 and 4 bits use the lower 8 of a half. Widths of
// 18 and 36 take a byte's write enable from the lowest bits of the address.
// What one port reads while the other writes it is not defined: here it is the complement of what was there, so that
// nobody relies on it. What is not modelled ends the simulation: other modes, a reset of the outputs, two ports that
// write in the same cycle.
module DP16KD (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
    parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18;
    parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG";
    parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", GSR = "ENABLED";
    parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000";
    parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB";
    parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL";
    parameter WID = 0, INIT_DATA = "STATIC";
    parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0;
    parameter [319:0] INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0;
    parameter [319:0] INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0;
    parameter [319:0] INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0;
    parameter [319:0] INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0;
    parameter [319:0] INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0;
    parameter [319:0] INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0;
    parameter [319:0] INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0;
    parameter [319:0] INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0;
    parameter [319:0] INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0;
    parameter [319:0] INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0;
    parameter [319:0] INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0;
    parameter [319:0] INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0;
    parameter [319:0] INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0;
    parameter [319:0] INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0;
    parameter [319:0] INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;

    localparam [20479:0] CONTENT = {
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
        INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
        INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
        INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
        INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
        INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
        INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
        INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
    };
    wire [13:0] at_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [17:0] in_a = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [13:0] at_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
    wire [17:0] in_b = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};

    // Rows of 36 bits: addresses are of bits, with a ninth bit behind each eight.
    reg [35:0] rows [0:511];
    integer word;
    initial
        for (word = 0; word < 1024; word = word + 1)
            if (word % 2 == 0) rows[word / 2][17:0] = CONTENT[20*word +: 18];
            else rows[word / 2][35:18] = CONTENT[20*word +: 18];

    function [5:0] place(input integer width, input [4:0] bits);
        place = width == 36 ? 6'd0
              : {1'b0, bits[4], 4'd0} + {4'd0, bits[4], 1'b0}
              + (width == 18 ? 6'd0 : {2'd0, bits[3], 3'd0} + {5'd0, bits[3]}
              + (width == 4 ? {3'd0, bits[2], 2'd0} : width == 2 ? {3'd0, bits[2:1], 1'b0}
              : width == 1 ? {3'd0, bits[2:0]} : 6'd0));
    endfunction

    function [35:0] whole(input integer width);
        whole = width == 36 ? {36{1'b1}} : (36'd1 << width) - 36'd1;
    endfunction

    // The bits of a row that a port's address names, those of a write alone, and what is written there.
    function [35:0] enabled(input integer width, input [4:0] bits);
        enabled = width == 36 ? {{9{bits[3]}}, {9{bits[2]}}, {9{bits[1]}}, {9{bits[0]}}}
                : width == 18 ? {18'd0, {9{bits[1]}}, {9{bits[0]}}} : whole(width);
    endfunction

    wire [5:0]  place_a = place(DATA_WIDTH_A, at_a[4:0]), place_b = place(DATA_WIDTH_B, at_b[4:0]);
    wire [8:0]  row_a = at_a[13:5], row_b = at_b[13:5];
    wire        write_a = CEA && WEA, write_b = CEB && WEB;
    wire [35:0] mask_a = write_a ? enabled(DATA_WIDTH_A, at_a[4:0]) << place_a : 36'd0;
    wire [35:0] mask_b = write_b ? enabled(DATA_WIDTH_B, at_b[4:0]) << place_b : 36'd0;
    wire [35:0] given_a = (DATA_WIDTH_A == 36 ? {in_b, in_a} : {18'd0, in_a}) << place_a;
    wire [35:0] given_b = {18'd0, in_b} << place_b;
    wire [35:0] seen_a = rows[row_a] ^ (write_b && row_a == row_b ? mask_b : 36'd0);
    wire [35:0] seen_b = rows[row_b] ^ (write_a && row_a == row_b ? mask_a : 36'd0);

    reg [35:0] out_a = 36'd0, out_b = 36'd0;

    always @(posedge CLKA) begin
        if (write_a) rows[row_a] <= (rows[row_a] & ~mask_a) | (given_a & mask_a);
        if (CEA && !(write_a && WRITEMODE_A == "NORMAL"))
            out_a <= ((WRITEMODE_A == "WRITETHROUGH" ? (seen_a & ~mask_a) | (given_a & mask_a) : seen_a) >> place_a)
                   & whole(DATA_WIDTH_A);
        if (RSTA || CSA0 || CSA1 || CSA2 || (write_a && write_b))
            $fatal(1, "DP16KD: a reset, a chip select, or two writes in a cycle: not modelled");
    end

    always @(posedge CLKB) begin
        if (write_b) rows[row_b] <= (rows[row_b] & ~mask_b) | (given_b & mask_b);
        if (CEB && !(write_b && WRITEMODE_B == "NORMAL"))
            out_b <= ((WRITEMODE_B == "WRITETHROUGH" ? (seen_b & ~mask_b) | (given_b & mask_b) : seen_b) >> place_b)
                   & whole(DATA_WIDTH_B);
        if (RSTB || CSB0 || CSB1 || CSB2 || (write_b && DATA_WIDTH_B == 36))
            $fatal(1, "DP16KD: a reset, a chip select, or a write of 36 bits through port B: not modelled");
    end

    initial
        if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CSDECODE_A != "0b000" || CSDECODE_B != "0b000"
            || CLKAMUX != "CLKA" || CLKBMUX != "CLKB")
            $fatal(1, "DP16KD: a mode that is not modelled");

    wire [17:0] left  = DATA_WIDTH_B == 36 ? out_b[17:0] : out_a[17:0];
    wire [17:0] right = DATA_WIDTH_B == 36 ? out_b[35:18] : out_b[17:0];
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} = left;
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} = right;
endmodule
