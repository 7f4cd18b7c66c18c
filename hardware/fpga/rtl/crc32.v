// CRC-32/ISO-HDLC (IEEE 802.3, zlib), one bit a cycle: polynomial 04C11DB7, reflected, begun with and at last
// inverted by all ones.
//
// clear        begins anew
// valid, data  one byte more; while not busy
// busy         a byte is worked in: for the 8 cycles after valid
// checksum     of all bytes since clear, while not busy
// intact       those bytes ended in their own checksum, its least significant byte first; while not busy
module crc32 (
    input             clk,
    input             clear,
    input             valid,
    input      [7:0]  data,
    output            busy,
    output     [31:0] checksum,
    output            intact
);
    reg [31:0] state;
    reg [7:0]  bits;
    reg [3:0]  left;

    wire feedback = state[0] ^ bits[0];

    assign busy     = left != 4'd0;
    assign checksum = ~state;
    assign intact   = state == 32'hDEBB20E3;  // what any message with its checksum leaves

    always @(posedge clk)
        if (clear) begin
            state <= 32'hFFFFFFFF;
            left  <= 4'd0;
        end else if (valid) begin
            bits <= data;
            left <= 4'd8;
        end else if (busy) begin
            state <= {1'b0, state[31:1]} ^ (feedback ? 32'hEDB88320 : 32'd0);
            bits  <= {1'b0, bits[7:1]};
            left  <= left - 4'd1;
        end
endmodule
