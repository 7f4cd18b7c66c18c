// Reads request frames (protocol.vh) from bytes, and holds one, or the error in its place, until it is taken.
//
// CAPACITY_BITS  room for 2^CAPACITY_BITS bytes of data
// IDLE           the time limit between two bytes, in cycles: at least 2 bytes' time
// valid, data    a byte; no two within 9 cycles
// broken         a byte that could not be read
// frame          there is something to take: problem is CODE_OK for a frame whose checksum is right, 12 cycles after
//                its last byte, else what was wrong, once the line has been quiet for IDLE cycles
// tag .. argument  its fields, while frame is high and problem is CODE_OK
// taken          one cycle: it and its data are needed no more
// read_address   a byte of its data, which is in read_data one cycle later
// resting        no byte of a frame has come, and none is waited for
`include "protocol.vh"

module frame_receiver #(
    parameter CAPACITY_BITS = 9,
    parameter IDLE          = 240000
) (
    input                          clk,
    input                          reset,
    input                          valid,
    input                          broken,
    input      [7:0]               data,
    output                         frame,
    output reg [7:0]               problem,
    output     [7:0]               tag,
    output     [7:0]               command,
    output     [15:0]              length,
    output     [39:0]              argument,
    input                          taken,
    input      [CAPACITY_BITS-1:0] read_address,
    output reg [7:0]               read_data,
    output                         resting
);
    localparam HUNT = 3'd0, HEADER = 3'd1, SIZE = 3'd2, BODY = 3'd3, CHECKSUM = 3'd4, CHECK = 3'd5, SKIP = 3'd6,
               HELD = 3'd7;
    localparam HEADER_BYTES = 9, CHECKSUM_BYTES = 4;

    reg [2:0]  state;
    reg [71:0] header;
    reg [15:0] count;
    reg [23:0] quiet;    // cycles left until the line counts as idle
    reg        dropped;  // bytes came while a frame was held

    (* no_rw_check *) reg [7:0] store [0:(1 << CAPACITY_BITS) - 1];

    wire came    = valid | broken;
    wire idle    = quiet == 24'd0;
    wire reading = state == HEADER || state == BODY || state == CHECKSUM;

    wire checking, intact;

    assign {argument, length, command, tag} = header;
    assign frame   = state == HELD;
    assign resting = state == HUNT;

    crc32 check (
        .clk(clk), .clear(state == HUNT), .valid(valid && reading), .data(data), .busy(checking), .intact(intact),
        .checksum()
    );

    always @(posedge clk) begin
        if (valid && state == BODY) store[count[CAPACITY_BITS-1:0]] <= data;
        read_data <= store[read_address];
    end

    always @(posedge clk)
        if (came) quiet <= IDLE;
        else if (!idle) quiet <= quiet - 24'd1;

    always @(posedge clk)
        if (reset) begin
            state   <= HUNT;
            dropped <= 1'b0;
        end else if (reading && broken) begin
            problem <= `CODE_NOISE;
            state   <= SKIP;
        end else if (reading && idle) begin
            problem <= `CODE_CUT;
            state   <= HELD;
        end else case (state)
            HUNT: begin
                count <= 16'd0;
                if (valid && data == `PROTOCOL_REQUEST) state <= HEADER;
                else if (came) begin
                    problem <= `CODE_NOISE;
                    state   <= SKIP;
                end
            end
            HEADER: if (valid) begin
                header <= {data, header[71:8]};
                count  <= count + 16'd1;
                if (count == HEADER_BYTES - 1) state <= SIZE;
            end
            SIZE: begin
                count   <= 16'd0;
                problem <= `CODE_TOO_LONG;
                if (length > (1 << CAPACITY_BITS)) state <= SKIP;
                else state <= length == 16'd0 ? CHECKSUM : BODY;
            end
            BODY: if (valid) begin
                count <= count + 16'd1;
                if (count + 16'd1 == length) begin
                    count <= 16'd0;
                    state <= CHECKSUM;
                end
            end
            CHECKSUM: if (valid) begin
                count <= count + 16'd1;
                if (count == CHECKSUM_BYTES - 1) state <= CHECK;
            end
            CHECK: if (!checking) begin
                problem <= intact ? `CODE_OK : `CODE_DAMAGED;
                state   <= intact ? HELD : SKIP;
            end
            SKIP: if (idle) state <= HELD;
            HELD: begin
                dropped <= dropped | came;
                if (taken) begin
                    dropped <= 1'b0;
                    if (dropped | came) problem <= `CODE_OVERRUN;
                    state <= dropped | came ? SKIP : HUNT;
                end
            end
        endcase
endmodule
