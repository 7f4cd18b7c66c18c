// Sends answer frames (protocol.vh) as bytes.
//
// send           one cycle, while not sending: a frame with these fields, which stay until it is out
// sending        from the cycle after send until its last byte was taken
// data_valid, data  the next byte of its data is there; taken in the cycle in which next is high
// spoiled        the checksum is made wrong: the data is not what it should be, and the code has been sent already
// byte_valid, byte_data  a byte for the line; taken in a cycle in which byte_ready is high too
`include "protocol.vh"

module frame_sender (
    input             clk,
    input             reset,
    input             send,
    input      [7:0]  tag,
    input      [7:0]  code,
    input      [15:0] length,
    output            sending,
    input             data_valid,
    input      [7:0]  data,
    output            next,
    input             spoiled,
    output            byte_valid,
    output     [7:0]  byte_data,
    input             byte_ready
);
    localparam REST = 2'd0, HEAD = 2'd1, BODY = 2'd2, TAIL = 2'd3;
    localparam HEAD_BYTES = 5, TAIL_BYTES = 4;

    reg [1:0]  state;
    reg [15:0] count;

    wire        adding;
    wire [31:0] checksum;

    wire [39:0] head  = {length, code, tag, `PROTOCOL_ANSWER};
    wire [31:0] tail  = checksum ^ {32{spoiled}};
    wire        taken = byte_valid && byte_ready;

    assign sending    = state != REST;
    assign byte_valid = sending && !adding && (state != BODY || data_valid);
    assign byte_data  = state == HEAD ? head[{count[2:0], 3'd0} +: 8]
                      : state == BODY ? data : tail[{count[1:0], 3'd0} +: 8];
    assign next       = taken && state == BODY;

    crc32 sum (
        .clk(clk), .clear(send), .valid(taken && (next || state == HEAD && count != 16'd0)), .data(byte_data),
        .busy(adding), .checksum(checksum), .intact()
    );

    always @(posedge clk)
        if (reset) state <= REST;
        else if (state == REST) begin
            count <= 16'd0;
            if (send) state <= HEAD;
        end else if (taken) begin
            count <= count + 16'd1;
            if (state == HEAD && count == HEAD_BYTES - 1) begin
                count <= 16'd0;
                state <= length == 16'd0 ? TAIL : BODY;
            end else if (state == BODY && count + 16'd1 == length) begin
                count <= 16'd0;
                state <= TAIL;
            end else if (state == TAIL && count == TAIL_BYTES - 1)
                state <= REST;
        end
endmodule
