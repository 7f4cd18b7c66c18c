// Stands where the engine is, for tests of what is around it: 1,024 bytes, and a run that adds the byte at 0 to as many
// bytes from 0x100 on as the one at 2 says, into 0x200. It takes 5 cycles and one a byte; it never ends when the byte
// at 1 is not 0. Nothing answers beyond its bytes. `keep`: its netlist is simulated, where the bus is looked for by name.
module engine #(
    parameter LANES            = 16,
    parameter PROGRAM_WORDS    = 16,
    parameter WEIGHT_WORDS     = 16,
    parameter CONSTANT_WORDS   = 16,
    parameter TABLE_WORDS      = 16,
    parameter ACTIVATION_WORDS = 16,
    parameter INIT             = 0
) (
    input             clk,
    input             reset,
    input             bus_write,
    input             bus_read,
    input      [23:0] bus_address,
    input      [7:0]  bus_data,
    output reg        bus_valid,
    (* keep *)
    output     [7:0]  bus_q,
    input             start,
    output reg        busy,
    output reg [31:0] cycles
);
    reg [7:0] memory [0:1023];
    reg [7:0] q, offset, count, index;
    reg       endless;
    reg [9:0] walk;
    reg [2:0] phase;

    wire here    = bus_address[23:10] == 14'd0;
    wire adding  = busy && phase == 3'd4 && (endless || index != count);
    wire writing = adding || !busy && bus_write && here;

    assign bus_q = q;

    always @(posedge clk) begin
        q <= memory[busy ? walk : bus_address[9:0]];
        if (writing) memory[adding ? {2'd2, index} : bus_address[9:0]] <= adding ? q + offset : bus_data;
    end

    always @(posedge clk) begin
        bus_valid <= bus_read && here && !busy;
        if (reset) busy <= 1'b0;
        else if (start) begin
            busy   <= 1'b1;
            cycles <= 32'd0;
            phase  <= 3'd0;
            walk   <= 10'd0;
            index  <= 8'd0;
        end else if (busy) begin
            cycles <= cycles + 32'd1;
            walk   <= phase == 3'd2 ? 10'h100 : walk + 10'd1;
            if (phase != 3'd4) phase <= phase + 3'd1;
            case (phase)
                3'd1: offset  <= q;
                3'd2: endless <= q != 8'd0;
                3'd3: count   <= q;
                3'd4: begin
                    index <= index + 8'd1;
                    if (!adding) busy <= 1'b0;
                end
                default: ;
            endcase
        end
    end
endmodule
