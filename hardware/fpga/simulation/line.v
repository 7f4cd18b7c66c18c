// A board in simulation, driven byte by byte from standard input, bit by bit on its serial line.
//
//   b <byte>   sends the byte to the board
//   x <byte>   sends it without its stop bit
//   i <n>      lets the time of n bytes pass
//
// Answers on standard output, a line each: "r <hex>" for a byte that the board sent, "e" for one without its stop bit,
// and last "k <0 or 1>": done, and whether the board is at work. It ends with its input.
`timescale 1ns / 1ns
module line;
    parameter DIVISOR = 8;
    localparam STDIN = 32'h8000_0000, STDOUT = 32'h8000_0001, POWER_ON = 300;

    reg        clk = 1'b0, rx = 1'b1;
    wire       tx;
    integer    token, value, place = -1, left = 0, bit_number;
    reg  [7:0] received;

    wire active = dut.top.link.active;

    board dut (.clk_pin(clk), .rx_pin(rx), .tx_pin(tx));

    task pass(input integer cycles);
        repeat (cycles) begin
            #1 clk = 1'b1;
            #1 clk = 1'b0;
        end
    endtask

    task send(input [7:0] data, input stop);
        begin
            rx = 1'b0;
            pass(DIVISOR);
            for (bit_number = 0; bit_number < 8; bit_number = bit_number + 1) begin
                rx = data[bit_number];
                pass(DIVISOR);
            end
            rx = stop;
            pass(DIVISOR);
            rx = 1'b1;
        end
    endtask

    always @(posedge clk)
        if (place < 0) begin
            place <= tx === 1'b0 ? 0 : -1;
            left  <= DIVISOR + DIVISOR / 2 - 1;
        end else if (left != 0)
            left <= left - 1;
        else begin
            left  <= DIVISOR - 1;
            place <= place == 8 ? -1 : place + 1;
            if (place != 8) received[place] <= tx;
            else if (tx === 1'b1) $fwrite(STDOUT, "r %h\n", received);
            else $fwrite(STDOUT, "e\n");
        end

    initial begin
        pass(POWER_ON);
        token = $fgetc(STDIN);
        while (token >= 0) begin
            value = $fgetc(STDIN);
            case (token)
                "b": send(value, 1'b1);
                "x": send(value, 1'b0);
                "i": pass(10 * DIVISOR * value);
            endcase
            $fwrite(STDOUT, "k %b\n", active);
            $fflush(STDOUT);
            token = $fgetc(STDIN);
        end
        $finish;
    end
endmodule
