// Standard input: "c" begins anew, "d <byte>" adds one, "p" prints checksum and intact.
`timescale 1ns / 1ns
module crc32_bench;
    reg         clk = 1'b0, clear = 1'b0, valid = 1'b0;
    reg  [7:0]  data;
    wire        busy, intact;
    wire [31:0] checksum;
    integer     token;

    crc32 dut (
        .clk(clk), .clear(clear), .valid(valid), .data(data), .busy(busy), .checksum(checksum), .intact(intact)
    );

    task tick;
        begin
            #1 clk = 1'b1;
            #1 clk = 1'b0;
        end
    endtask

    initial begin
        token = $fgetc(32'h8000_0000);
        while (token >= 0) begin
            case (token)
                "c": begin
                    clear = 1'b1;
                    tick;
                    clear = 1'b0;
                end
                "d": begin
                    data  = $fgetc(32'h8000_0000);
                    valid = 1'b1;
                    tick;
                    valid = 1'b0;
                    while (busy) tick;
                end
                "p": $display("%h %b", checksum, intact);
            endcase
            token = $fgetc(32'h8000_0000);
        end
        $finish;
    end
endmodule
