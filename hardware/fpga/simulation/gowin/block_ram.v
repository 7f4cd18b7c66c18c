// Gowin's block RAM with a ninth bit for each byte, as far as netlists of ours use it: words of 9, 18 or 36 bits, outputs
// without registers. UG285, "Gowin BSRAM & SSRAM User Guide". Yosys has its cells as black boxes; they are DPX9B (two ports
// that read and write) and SDPX9B (A writes, B reads), below.
//
// Addresses are of bits, without the ninth: a word of 9 bits counts from bit 3 on, one of 18 from bit 4, one of 36 from
// bit 5. Widths of 18 and 36 take a byte's write enable from the lowest bits of the address.
// What one port reads while the other writes it is not defined: here it is the complement of what was there, so that
// nobody relies on it. What is not modelled ends the simulation: other modes, a reset, two ports that write in the same
// cycle.
module block_ram #(
    parameter A_WIDTH = 9, B_WIDTH = 9,
    parameter A_THROUGH = 0, B_THROUGH = 0,  // 1: a port shows what it writes; 0: what it showed before
    parameter [18431:0] CONTENT = 0
) (
    input             clk_a, enable_a, write_a, reset_a,
    input      [13:0] at_a,
    input      [35:0] in_a,
    output reg [35:0] out_a,
    input             clk_b, enable_b, write_b, reset_b,
    input      [13:0] at_b,
    input      [35:0] in_b,
    output reg [35:0] out_b
);
    reg [35:0] rows [0:511];
    integer    row;
    initial begin
        for (row = 0; row < 512; row = row + 1) rows[row] = CONTENT[36*row +: 36];
        out_a = 36'd0;
        out_b = 36'd0;
    end

    function [5:0] place(input integer width, input [1:0] part);
        place = width == 36 ? 6'd0 : width == 18 ? (part[1] ? 6'd18 : 6'd0) : 6'd9 * part;
    endfunction

    function [35:0] whole(input integer width);
        whole = width == 36 ? {36{1'b1}} : (36'd1 << width) - 36'd1;
    endfunction

    function [35:0] enabled(input integer width, input [3:0] bytes);
        enabled = width == 36 ? {{9{bytes[3]}}, {9{bytes[2]}}, {9{bytes[1]}}, {9{bytes[0]}}}
                : width == 18 ? {18'd0, {9{bytes[1]}}, {9{bytes[0]}}} : whole(width);
    endfunction

    wire [5:0]  place_a = place(A_WIDTH, at_a[4:3]), place_b = place(B_WIDTH, at_b[4:3]);
    wire [8:0]  row_a = at_a[13:5], row_b = at_b[13:5];
    wire        writes_a = enable_a && write_a, writes_b = enable_b && write_b;
    wire [35:0] mask_a = writes_a ? enabled(A_WIDTH, at_a[3:0]) << place_a : 36'd0;
    wire [35:0] mask_b = writes_b ? enabled(B_WIDTH, at_b[3:0]) << place_b : 36'd0;
    wire [35:0] new_a = (rows[row_a] & ~mask_a) | ((in_a << place_a) & mask_a);
    wire [35:0] new_b = (rows[row_b] & ~mask_b) | ((in_b << place_b) & mask_b);
    wire [35:0] seen_a = rows[row_a] ^ (row_a == row_b ? mask_b : 36'd0);
    wire [35:0] seen_b = rows[row_b] ^ (row_a == row_b ? mask_a : 36'd0);

    always @(posedge clk_a) begin
        if (writes_a) rows[row_a] <= new_a;
        if (enable_a && (!write_a || A_THROUGH)) out_a <= ((write_a ? new_a : seen_a) >> place_a) & whole(A_WIDTH);
        if (reset_a || (writes_a && writes_b))
            $fatal(1, "block RAM: a reset, or two writes in a cycle: not modelled");
    end

    always @(posedge clk_b) begin
        if (writes_b) rows[row_b] <= new_b;
        if (enable_b && (!write_b || B_THROUGH)) out_b <= ((write_b ? new_b : seen_b) >> place_b) & whole(B_WIDTH);
        if (reset_b) $fatal(1, "block RAM: a reset: not modelled");
    end
endmodule
