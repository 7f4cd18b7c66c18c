// Standard input: frames, each tag, code, length (2), whether it is spoiled, cycles between two bytes, data. Prints
// each byte in hexadecimal, and a line for each frame.
`timescale 1ns / 1ns
module frame_sender_bench;
    localparam STDIN = 32'h8000_0000;

    reg         clk = 1'b0, reset = 1'b1, send = 1'b0, data_valid = 1'b0, spoiled = 1'b0;
    reg  [7:0]  tag, code, data;
    reg  [15:0] length;
    wire        sending, next, byte_valid;
    wire [7:0]  byte_data;
    integer     token, between, left;

    wire byte_ready = left == 0;

    frame_sender dut (
        .clk(clk), .reset(reset), .send(send), .tag(tag), .code(code), .length(length), .sending(sending),
        .data_valid(data_valid), .data(data), .next(next), .spoiled(spoiled), .byte_valid(byte_valid),
        .byte_data(byte_data), .byte_ready(byte_ready)
    );

    task tick;
        reg wanted, went;
        begin
            #1;
            wanted = next;
            went   = byte_valid && byte_ready;
            if (went) $write("%h", byte_data);
            clk = 1'b1;
            #1 clk = 1'b0;
            if (wanted) data_valid = 1'b0;
            if (went) left = between;
            else if (left != 0) left = left - 1;
        end
    endtask

    integer given;

    initial begin
        left = 0;
        tick;
        reset = 1'b0;
        token = $fgetc(STDIN);
        while (token >= 0) begin
            tag           = token;
            code          = $fgetc(STDIN);
            length[7:0]   = $fgetc(STDIN);
            length[15:8]  = $fgetc(STDIN);
            spoiled       = $fgetc(STDIN);
            between       = $fgetc(STDIN);
            given         = 0;
            send          = 1'b1;
            tick;
            send          = 1'b0;
            while (sending) begin
                if (!data_valid && given < length) begin
                    data       = $fgetc(STDIN);
                    data_valid = 1'b1;
                    given      = given + 1;
                end
                tick;
            end
            $display;
            token = $fgetc(STDIN);
        end
        $finish;
    end
endmodule
