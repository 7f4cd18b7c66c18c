// Standard input: "b <byte>" brings a byte, "x <byte>" a broken one, "i <n>" lets n cycles pass, "t" takes what there
// is: prints "-" for nothing, else problem, tag, command, length, argument and data, in hexadecimal.
`timescale 1ns / 1ns
module frame_receiver_bench;
    parameter IDLE = 100, CAPACITY_BITS = 4;
    localparam STDIN = 32'h8000_0000, BETWEEN = 12;

    reg                      clk = 1'b0, reset = 1'b1, valid = 1'b0, broken = 1'b0, taken = 1'b0;
    reg  [7:0]               data;
    wire                     frame, resting;
    wire [7:0]               problem, tag, command, read_data;
    wire [15:0]              length;
    wire [39:0]              argument;
    reg  [CAPACITY_BITS-1:0] read_address = 0;
    integer                  token, place;

    frame_receiver #(.CAPACITY_BITS(CAPACITY_BITS), .IDLE(IDLE)) dut (
        .clk(clk), .reset(reset), .valid(valid), .broken(broken), .data(data), .frame(frame), .problem(problem),
        .tag(tag), .command(command), .length(length), .argument(argument), .taken(taken),
        .read_address(read_address), .read_data(read_data), .resting(resting)
    );

    task pass(input integer cycles);
        repeat (cycles) begin
            #1 clk = 1'b1;
            #1 clk = 1'b0;
        end
    endtask

    task take;
        if (!frame) $display("-");
        else begin
            $write("%h %h %h %h %h ", problem, tag, command, length, argument);
            if (problem == 8'd0)
                for (place = 0; place < length; place = place + 1) begin
                    read_address = place;
                    pass(1);
                    $write("%h", read_data);
                end
            $display;
            taken = 1'b1;
            pass(1);
            taken = 1'b0;
        end
    endtask

    initial begin
        pass(1);
        reset = 1'b0;
        token = $fgetc(STDIN);
        while (token >= 0) begin
            case (token)
                "b": begin
                    data  = $fgetc(STDIN);
                    valid = 1'b1;
                    pass(1);
                    valid = 1'b0;
                    pass(BETWEEN);
                end
                "x": begin
                    data   = $fgetc(STDIN);
                    broken = 1'b1;
                    pass(1);
                    broken = 1'b0;
                    pass(BETWEEN);
                end
                "i": pass($fgetc(STDIN));
                "t": take;
            endcase
            token = $fgetc(STDIN);
        end
        $finish;
    end
endmodule
