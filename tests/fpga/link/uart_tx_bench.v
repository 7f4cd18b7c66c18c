// Standard input: bytes to send, one after the other. Prints the level of the line, a digit a cycle.
`timescale 1ns / 1ns
module uart_tx_bench;
    parameter DIVISOR = 12;

    reg       clk = 1'b0, reset = 1'b1, valid = 1'b0;
    reg [7:0] data;
    wire      ready, tx;
    integer   token;

    uart_tx #(.DIVISOR(DIVISOR)) dut (
        .clk(clk), .reset(reset), .valid(valid), .data(data), .ready(ready), .tx(tx)
    );

    task tick;
        begin
            #1 clk = 1'b1;
            #1 clk = 1'b0;
            $write("%b", tx);
        end
    endtask

    initial begin
        tick;
        reset = 1'b0;
        token = $fgetc(32'h8000_0000);
        while (token >= 0) begin
            data  = token;
            valid = 1'b1;
            while (!ready) tick;
            tick;
            valid = 1'b0;
            token = $fgetc(32'h8000_0000);
        end
        while (!ready) tick;
        $display;
        $finish;
    end
endmodule
