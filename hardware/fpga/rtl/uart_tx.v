// Sends bytes over an asynchronous serial line: 8 data bits, no parity, 1 stop bit, least significant bit first.
//
// DIVISOR      cycles a bit
// valid, data  a byte to send; taken in a cycle in which ready is high too
// ready        the byte before is out, its stop bit included: 10 * DIVISOR + 1 cycles after it was taken
// tx           the line, high at rest
module uart_tx #(
    parameter DIVISOR = 12
) (
    input       clk,
    input       reset,
    input       valid,
    input [7:0] data,
    output      ready,
    output      tx
);
    reg [8:0]  bits;   // what is on the line, and what follows; ones once the stop bit is reached
    reg [15:0] left;
    reg [3:0]  count;

    assign ready = count == 4'd0;
    assign tx    = bits[0];

    always @(posedge clk)
        if (reset) begin
            bits  <= 9'h1FF;
            count <= 4'd0;
        end else if (ready) begin
            left <= DIVISOR - 1;
            if (valid) begin
                bits  <= {data, 1'b0};
                count <= 4'd10;
            end
        end else if (left == 16'd0) begin
            left  <= DIVISOR - 1;
            bits  <= {1'b1, bits[8:1]};
            count <= count - 4'd1;
        end else
            left <= left - 16'd1;
endmodule
