// The serial line with everything behind it but the engine.
//
// DIVISOR        cycles a bit
// IDLE           cycles without a byte after which a frame counts as cut; more than two bytes' time
// CAPACITY_BITS  a frame holds up to 2^CAPACITY_BITS bytes of data
// IDENTITY ..    see commands
// active         bytes come or go, or the engine runs
// greeted        a frame came whose checksum was right
module link #(
    parameter                        DIVISOR        = 12,
    parameter                        IDLE           = 240000,
    parameter                        CAPACITY_BITS  = 9,
    parameter                        IDENTITY_BYTES = 64,
    parameter                        IDENTITY_BITS  = 6,
    parameter [8*IDENTITY_BYTES-1:0] IDENTITY       = 0
) (
    input         clk,
    input         reset,
    input         rx,
    output        tx,
    output        bus_write,
    output        bus_read,
    output [23:0] bus_address,
    output [7:0]  bus_data,
    input         bus_valid,
    input  [7:0]  bus_q,
    output        start,
    input         busy,
    input  [31:0] cycles,
    output        stop,
    output        active,
    output reg    greeted
);
    wire                     valid, broken, frame, taken, resting;
    wire [7:0]               data, problem, tag, command, read_data;
    wire [15:0]              length;
    wire [39:0]              argument;
    wire [CAPACITY_BITS-1:0] read_address;

    wire        send, sending, answer_valid, next, spoiled, byte_valid, byte_ready, working;
    wire [7:0]  answer_tag, answer_code, answer_data, byte_data;
    wire [15:0] answer_length;

    assign active = !resting || working || !byte_ready;

    always @(posedge clk)
        if (reset) greeted <= 1'b0;
        else if (frame && problem == 8'd0) greeted <= 1'b1;

    uart_rx #(.DIVISOR(DIVISOR)) receiver (
        .clk(clk), .reset(reset), .rx(rx), .valid(valid), .broken(broken), .data(data)
    );

    frame_receiver #(.CAPACITY_BITS(CAPACITY_BITS), .IDLE(IDLE)) frames (
        .clk(clk), .reset(reset), .valid(valid), .broken(broken), .data(data),
        .frame(frame), .problem(problem), .tag(tag), .command(command), .length(length), .argument(argument),
        .taken(taken), .read_address(read_address), .read_data(read_data), .resting(resting)
    );

    commands #(
        .CAPACITY_BITS(CAPACITY_BITS), .IDENTITY_BYTES(IDENTITY_BYTES), .IDENTITY_BITS(IDENTITY_BITS),
        .IDENTITY(IDENTITY)
    ) executor (
        .clk(clk), .reset(reset),
        .frame(frame), .problem(problem), .tag(tag), .command(command), .length(length), .argument(argument),
        .taken(taken), .read_address(read_address), .read_data(read_data),
        .send(send), .answer_tag(answer_tag), .answer_code(answer_code), .answer_length(answer_length),
        .sending(sending), .data_valid(answer_valid), .data(answer_data), .next(next), .spoiled(spoiled),
        .bus_write(bus_write), .bus_read(bus_read), .bus_address(bus_address), .bus_data(bus_data),
        .bus_valid(bus_valid), .bus_q(bus_q), .start(start), .busy(busy), .cycles(cycles), .stop(stop),
        .active(working)
    );

    frame_sender answers (
        .clk(clk), .reset(reset), .send(send), .tag(answer_tag), .code(answer_code), .length(answer_length),
        .sending(sending), .data_valid(answer_valid), .data(answer_data), .next(next), .spoiled(spoiled),
        .byte_valid(byte_valid), .byte_data(byte_data), .byte_ready(byte_ready)
    );

    uart_tx #(.DIVISOR(DIVISOR)) transmitter (
        .clk(clk), .reset(reset), .valid(byte_valid), .data(byte_data), .ready(byte_ready), .tx(tx)
    );
endmodule
