// Standard input: "b <byte>" sends a byte with bits of +bit=<ns>, "x <byte>" the same without its stop bit, "g" a low
// level of a quarter bit, "l" a low level of 30 bits, "i" rests for 2 bits. A cycle takes 10 ns. Prints "v <hex>" for a
// byte that was received, "e" for a broken one.
`timescale 1ns / 1ns
module uart_rx_bench;
    parameter DIVISOR = 12;
    localparam STDIN = 32'h8000_0000;

    reg        clk = 1'b0, reset = 1'b1, rx = 1'b1;
    wire       valid, broken;
    wire [7:0] data;
    integer    token, length, place;

    uart_rx #(.DIVISOR(DIVISOR)) dut (
        .clk(clk), .reset(reset), .rx(rx), .valid(valid), .broken(broken), .data(data)
    );

    always #5 clk = !clk;

    always @(posedge clk) begin
        if (valid) $display("v %h", data);
        if (broken) $display("e");
    end

    task send(input [7:0] bits, input stop);
        begin
            rx = 1'b0;
            #(length);
            for (place = 0; place < 8; place = place + 1) begin
                rx = bits[place];
                #(length);
            end
            rx = stop;
            #(length);
            rx = 1'b1;
        end
    endtask

    initial begin
        if (!$value$plusargs("bit=%d", length)) length = 10 * DIVISOR;
        #100 reset = 1'b0;
        #100 token = $fgetc(STDIN);
        while (token >= 0) begin
            case (token)
                "b": begin
                    token = $fgetc(STDIN);
                    send(token, 1'b1);
                end
                "x": begin
                    token = $fgetc(STDIN);
                    send(token, 1'b0);
                end
                "g": begin
                    rx = 1'b0;
                    #(length / 4) rx = 1'b1;
                    #(length);
                end
                "l": begin
                    rx = 1'b0;
                    #(30 * length) rx = 1'b1;
                    #(length);
                end
                "i": #(2 * length);
            endcase
            token = $fgetc(STDIN);
        end
        #(4 * length) $finish;
    end
endmodule
