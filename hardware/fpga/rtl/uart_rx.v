// Receives bytes from an asynchronous serial line: 8 data bits, no parity, 1 stop bit, least significant bit first.
// Each bit is looked at once, in its middle.
//
// DIVISOR      cycles a bit: at least 8, so that sender and receiver may differ by 3 %
// rx           the line, high at rest; not synchronous to clk
// valid, data  a byte has come: one cycle, about half a bit before its stop bit ends
// broken       a byte came without its stop bit: one cycle; nothing more until the line is high again
module uart_rx #(
    parameter DIVISOR = 12
) (
    input            clk,
    input            reset,
    input            rx,
    output reg       valid,
    output reg       broken,
    output reg [7:0] data
);
    localparam REST = 2'd0, BEGIN = 2'd1, BITS = 2'd2, WAIT = 2'd3;

    reg [1:0]  state;
    reg [1:0]  line;   // two registers, so that none of the others sees the line change
    reg [15:0] left;
    reg [3:0]  count;

    wire high = line[1];

    always @(posedge clk) begin
        line   <= {line[0], rx};
        valid  <= 1'b0;
        broken <= 1'b0;
        left   <= left - 16'd1;
        if (reset) begin
            state <= WAIT;
            line  <= 2'b00;
        end else case (state)
            REST: begin
                left  <= DIVISOR / 2 - 1;
                count <= 4'd0;
                if (!high) state <= BEGIN;
            end
            BEGIN: if (left == 16'd0) begin
                left  <= DIVISOR - 1;
                state <= high ? REST : BITS;  // high again: it was no start bit
            end
            BITS: if (left == 16'd0) begin
                left  <= DIVISOR - 1;
                count <= count + 4'd1;
                if (count != 4'd8) data <= {high, data[7:1]};
                else begin
                    valid  <= high;
                    broken <= !high;
                    state  <= high ? REST : WAIT;
                end
            end
            WAIT: if (high) state <= REST;
        endcase
    end
endmodule
