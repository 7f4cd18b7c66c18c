// iCE40's block RAM: one port to write, one to read, of 16, 8, 4 or 2 bits each. FPGA-TN-02002, "Memory Usage Guide for
// iCE40 Devices"; which pins a narrow port uses: RAM tiles in the documentation of Project IceStorm.
//
// A row has 16 bits. In mode m a port's words have 16 >> m of them, 1 << m apart: bits 8 and up of the address say which
// of them come first, the word's own pins lie in the middle of these. MASK, low where a bit is written, counts in mode 0.
// What is read in the cycle that writes it is not defined: here it is the complement of what was there, so that nobody
// relies on it. Both ports are reckoned to have the same clock.
module SB_RAM40_4K (
    output [15:0] RDATA,
    input         RCLK, RCLKE, RE,
    input  [10:0] RADDR,
    input         WCLK, WCLKE, WE,
    input  [10:0] WADDR,
    input  [15:0] MASK, WDATA
);
    parameter WRITE_MODE = 0, READ_MODE = 0;
    parameter [255:0] INIT_0 = 0, INIT_1 = 0, INIT_2 = 0, INIT_3 = 0, INIT_4 = 0, INIT_5 = 0, INIT_6 = 0, INIT_7 = 0;
    parameter [255:0] INIT_8 = 0, INIT_9 = 0, INIT_A = 0, INIT_B = 0, INIT_C = 0, INIT_D = 0, INIT_E = 0, INIT_F = 0;

    localparam [4095:0] CONTENT = {
        INIT_F, INIT_E, INIT_D, INIT_C, INIT_B, INIT_A, INIT_9, INIT_8, INIT_7, INIT_6, INIT_5, INIT_4, INIT_3, INIT_2,
        INIT_1, INIT_0
    };
    localparam WRITE_STEP = 1 << WRITE_MODE, WRITE_PIN = WRITE_MODE == 0 ? 0 : WRITE_STEP / 2 - 1;
    localparam READ_STEP = 1 << READ_MODE, READ_PIN = READ_MODE == 0 ? 0 : READ_STEP / 2 - 1;

    reg [15:0] rows [0:255];
    integer    row;
    initial for (row = 0; row < 256; row = row + 1) rows[row] = CONTENT[16*row +: 16];

    wire [2:0]  write_first = WADDR[10:8] & (WRITE_STEP - 1), read_first = RADDR[10:8] & (READ_STEP - 1);
    wire        writing = WE && WCLKE;
    wire [15:0] here, given, made;
    wire [15:0] seen = rows[RADDR[7:0]] ^ (writing && WADDR[7:0] == RADDR[7:0] ? here : 16'd0);

    genvar at;
    generate
        for (at = 0; at < 16; at = at + 1) begin : each
            assign here[at]  = WRITE_MODE == 0 ? !MASK[at] : at % WRITE_STEP == write_first;
            assign given[at] = WDATA[at - at % WRITE_STEP + WRITE_PIN];
            assign made[at]  = at % READ_STEP == READ_PIN && seen[at - at % READ_STEP + read_first];
        end
    endgenerate

    reg [15:0] out = 16'd0;
    assign RDATA = out;

    always @(posedge WCLK) if (writing) rows[WADDR[7:0]] <= (rows[WADDR[7:0]] & ~here) | (given & here);
    always @(posedge RCLK) if (RE && RCLKE) out <= made;
endmodule
