// Does what request frames ask, on the engine's memories, and answers each.
//
// A write takes 3 cycles a byte, well below a byte's time on the line; a read fetches a byte while the one before is
// sent. A run is answered when the engine is done; until then identify and status are answered too, all else is
// refused as busy.
//
// CAPACITY_BITS    as frame_receiver's
// IDENTITY         what identify answers, IDENTITY_BYTES (a power of two) long, the first byte lowest
// frame .. taken   frame_receiver's
// send .. spoiled  frame_sender's
// bus_*, start, busy, cycles  the engine's; the bus is used only while no run lasts
// stop             one cycle: the engine is to be reset, its run took too long
// active           something is being done, a run included
`include "protocol.vh"

module commands #(
    parameter                       CAPACITY_BITS  = 9,
    parameter                       IDENTITY_BYTES = 64,
    parameter                       IDENTITY_BITS  = 6,
    parameter [8*IDENTITY_BYTES-1:0] IDENTITY      = 0
) (
    input                          clk,
    input                          reset,

    input                          frame,
    input      [7:0]               problem,
    input      [7:0]               tag,
    input      [7:0]               command,
    input      [15:0]              length,
    input      [39:0]              argument,
    output reg                     taken,
    output     [CAPACITY_BITS-1:0] read_address,
    input      [7:0]               read_data,

    output reg                     send,
    output reg [7:0]               answer_tag,
    output reg [7:0]               answer_code,
    output reg [15:0]              answer_length,
    input                          sending,
    output                         data_valid,
    output     [7:0]               data,
    input                          next,
    output reg                     spoiled,

    output reg                     bus_write,
    output reg                     bus_read,
    output reg [23:0]              bus_address,
    output reg [7:0]               bus_data,
    input                          bus_valid,
    input      [7:0]               bus_q,
    output reg                     start,
    input                          busy,
    input      [31:0]              cycles,
    output reg                     stop,
    output                         active
);
    localparam REST = 3'd0, FETCH = 3'd1, PUT = 3'd2, STEP = 3'd3, GET = 3'd4, WAIT = 3'd5, ANSWER = 3'd6,
               SENDING = 3'd7;
    localparam IDENTITY_DATA = 2'd0, CYCLES_DATA = 2'd1, STATUS_DATA = 2'd2, BUS_DATA = 2'd3;
    localparam SETTLING = 3'd7;  // cycles after start in which busy may still be low

    reg [2:0]  state;
    reg [1:0]  source;
    reg [15:0] index;
    reg [7:0]  patience;   // cycles left for the bus to answer
    reg [7:0]  fetched;
    reg        have;       // fetched is the byte to send next
    reg        running;
    reg [7:0]  run_tag;
    reg        limited;
    reg [31:0] left;       // cycles left to the run, if it is limited
    reg [2:0]  settling;
    reg [31:0] last;       // cycles of the last run
    reg [15:0] errors;     // frames that could not be read, since reset

    wire [8*IDENTITY_BYTES-1:0] identity = IDENTITY;
    wire [55:0] status = {errors, last, 7'd0, running};
    wire        done   = settling == 3'd0 && !busy;
    wire        late   = limited && left == 32'd0;

    assign active       = state != REST || running;
    assign read_address = index[CAPACITY_BITS-1:0];
    assign data_valid   = source != BUS_DATA || have;
    assign data         = source == IDENTITY_DATA ? identity[{index[IDENTITY_BITS-1:0], 3'd0} +: 8]
                        : source == CYCLES_DATA ? last[{index[1:0], 3'd0} +: 8]
                        : source == STATUS_DATA ? status[{index[2:0], 3'd0} +: 8]
                        : fetched;

    always @(posedge clk) begin
        taken     <= 1'b0;
        send      <= 1'b0;
        start     <= 1'b0;
        stop      <= 1'b0;
        bus_write <= 1'b0;
        bus_read  <= 1'b0;
        if (settling != 3'd0) settling <= settling - 3'd1;
        if (!late) left <= left - 32'd1;

        if (reset) begin
            state   <= REST;
            running <= 1'b0;
            last    <= 32'd0;
            errors  <= 16'd0;
        end else case (state)
            REST: begin
                index   <= 16'd0;
                have    <= 1'b0;
                spoiled <= 1'b0;
                if (frame && !taken) begin
                    answer_tag    <= problem == `CODE_OK ? tag : 8'd0;
                    answer_code   <= problem;
                    answer_length <= 16'd0;
                    bus_address   <= argument[23:0];
                    taken         <= 1'b1;
                    state         <= ANSWER;
                    if (problem != `CODE_OK) errors <= errors + 16'd1;
                    else if (length != 16'd0 && command != `COMMAND_WRITE) answer_code <= `CODE_MALFORMED;
                    else case (command)
                        `COMMAND_IDENTIFY: begin
                            answer_length <= IDENTITY_BYTES;
                            source        <= IDENTITY_DATA;
                        end
                        `COMMAND_STATUS: begin
                            answer_length <= 16'd7;
                            source        <= STATUS_DATA;
                        end
                        `COMMAND_WRITE:
                            if (running) answer_code <= `CODE_BUSY;
                            else if (length != 16'd0) begin
                                taken <= 1'b0;  // its data is still needed
                                state <= FETCH;
                            end
                        `COMMAND_READ:
                            if (running) answer_code <= `CODE_BUSY;
                            else if (argument[39:24] != 16'd0) begin
                                answer_length <= argument[39:24];
                                source        <= BUS_DATA;
                                state         <= GET;
                            end
                        `COMMAND_RUN:
                            if (running) answer_code <= `CODE_BUSY;
                            else begin
                                run_tag  <= tag;
                                limited  <= argument[31:0] != 32'd0;
                                left     <= argument[31:0];
                                settling <= SETTLING;
                                start    <= 1'b1;
                                running  <= 1'b1;
                                state    <= REST;
                            end
                        default: answer_code <= `CODE_UNKNOWN;
                    endcase
                end else if (running && (done || late)) begin
                    running       <= 1'b0;
                    stop          <= !done;
                    answer_tag    <= run_tag;
                    answer_code   <= done ? `CODE_OK : `CODE_LIMIT;
                    answer_length <= done ? 16'd4 : 16'd0;
                    source        <= CYCLES_DATA;
                    state         <= ANSWER;
                    if (done) last <= cycles;
                end
            end
            FETCH: state <= PUT;  // read_data follows index
            PUT: begin
                bus_data  <= read_data;
                bus_write <= 1'b1;
                index     <= index + 16'd1;
                state     <= STEP;
            end
            STEP: begin
                bus_address <= bus_address + 24'd1;
                if (index == length) begin
                    taken <= 1'b1;
                    state <= ANSWER;
                end else
                    state <= PUT;
            end
            GET: begin
                bus_read <= 1'b1;
                patience <= 8'hFF;
                state    <= WAIT;
            end
            WAIT: begin
                patience <= patience - 8'd1;
                if (bus_valid || patience == 8'd0) begin
                    fetched     <= bus_valid ? bus_q : 8'd0;
                    have        <= 1'b1;
                    bus_address <= bus_address + 24'd1;
                    state       <= index == 16'd0 ? ANSWER : SENDING;
                    if (!bus_valid) begin
                        if (index == 16'd0) begin
                            answer_code   <= `CODE_NO_MEMORY;
                            answer_length <= 16'd0;
                        end else
                            spoiled <= 1'b1;
                    end
                end
            end
            ANSWER: begin
                send  <= 1'b1;
                state <= SENDING;
            end
            SENDING:
                if (next) begin
                    index <= index + 16'd1;
                    have  <= 1'b0;
                    if (source == BUS_DATA && index + 16'd1 != answer_length) state <= GET;
                end else if (!send && !sending)
                    state <= REST;
        endcase
    end
endmodule
