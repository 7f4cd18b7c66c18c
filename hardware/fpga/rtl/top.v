// A board's whole circuit: the engine, and the serial line to it. A shell that is written for each board (shell.py)
// gives it clock, reset and identity.
//
// LANES .. INIT        the engine's
// DIVISOR .. IDENTITY        the link's
// led          blinks (2^24 cycles) until somebody has spoken to it, then is lit and goes out while it works
module top #(
    parameter                        LANES            = 16,
    parameter                        PROGRAM_WORDS    = 256,
    parameter                        WEIGHT_WORDS     = 256,
    parameter                        CONSTANT_WORDS   = 256,
    parameter                        TABLE_WORDS      = 256,
    parameter                        ACTIVATION_WORDS = 512,
    parameter                        INIT             = 0,
    parameter                        DIVISOR          = 12,
    parameter                        IDLE             = 240000,
    parameter                        CAPACITY_BITS    = 9,
    parameter                        IDENTITY_BYTES   = 64,
    parameter                        IDENTITY_BITS    = 6,
    parameter [8*IDENTITY_BYTES-1:0] IDENTITY         = 0
) (
    input  clk,
    input  reset,
    input  rx,
    output tx,
    output led
);
    wire        bus_write, bus_read, bus_valid, start, busy, stop, active, greeted;
    wire [23:0] bus_address;
    wire [7:0]  bus_data, bus_q;
    wire [31:0] cycles;

    reg [23:0] blink;

    assign led = greeted ? !active : blink[23];

    always @(posedge clk)
        if (reset) blink <= 24'd0;
        else blink <= blink + 24'd1;

    link #(
        .DIVISOR(DIVISOR), .IDLE(IDLE), .CAPACITY_BITS(CAPACITY_BITS), .IDENTITY_BYTES(IDENTITY_BYTES),
        .IDENTITY_BITS(IDENTITY_BITS), .IDENTITY(IDENTITY)
    ) link (
        .clk(clk), .reset(reset), .rx(rx), .tx(tx),
        .bus_write(bus_write), .bus_read(bus_read), .bus_address(bus_address), .bus_data(bus_data),
        .bus_valid(bus_valid), .bus_q(bus_q), .start(start), .busy(busy), .cycles(cycles), .stop(stop),
        .active(active), .greeted(greeted)
    );

    engine #(
        .LANES(LANES), .PROGRAM_WORDS(PROGRAM_WORDS), .WEIGHT_WORDS(WEIGHT_WORDS),
        .CONSTANT_WORDS(CONSTANT_WORDS), .TABLE_WORDS(TABLE_WORDS), .ACTIVATION_WORDS(ACTIVATION_WORDS), .INIT(INIT)
    ) engine (
        .clk(clk), .reset(reset | stop),
        .bus_write(bus_write), .bus_read(bus_read), .bus_address(bus_address), .bus_data(bus_data),
        .bus_valid(bus_valid), .bus_q(bus_q), .start(start), .busy(busy), .cycles(cycles)
    );
endmodule
