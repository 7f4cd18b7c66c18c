// The engine: an int8 net, one operation after another, from a program in its memory (docs/fpga.md says how).
//
// LANES              8, 16, 32, 64 or 128 multipliers: LANES / 8 output channels times 8 inputs; with 8 a sum takes 16
//                    cycles to become a byte, else one
// *_WORDS            words of the memories: program 64 bits, weights LANES bytes, constants 75 bits for each bank of
//                    eight channels, tables two entries of 32 bits, activations 8 bytes; each at most 2^16
// INIT               1: the memories begin with the files that hardware/fpga/contained.py writes
// clk, reset         one clock; reset is synchronous and leaves the memories
// bus_*              the host's: a byte written a cycle; a byte of the activations read, `bus_valid` with `bus_q` two
//                    cycles later (other memories read as zero). Only while not busy. loader.v says what addresses mean
// start              for one cycle: run the program, the input being in the activations
// busy, cycles       until the output is there; how long the last run took
//
// A read of the walker's in cycle 0 is data in 2, products in 3, and in an accumulator in 6; a group's sums leave for
// the requantisers from cycle 7 on (bytes for the elements: 4), are constants' and sums' in 3 cycles more, a byte 11
// later (17 with 8 lanes) and in the activations another 2.
module engine #(
    parameter LANES = 64,
    parameter PROGRAM_WORDS = 512,
    parameter WEIGHT_WORDS = 2048,
    parameter CONSTANT_WORDS = 1024,
    parameter TABLE_WORDS = 2048,
    parameter ACTIVATION_WORDS = 8192,
    parameter INIT = 0
) (
    input  wire        clk,
    input  wire        reset,
    input  wire        bus_write,
    input  wire        bus_read,
    input  wire [23:0] bus_address,
    input  wire [ 7:0] bus_data,
    output reg         bus_valid,
    output reg  [ 7:0] bus_q,
    input  wire        start,
    output wire        busy,
    output wire [31:0] cycles
);
  localparam OUTPUTS = LANES / 8;
  localparam BANKS = OUTPUTS > 8 ? OUTPUTS / 8 : 1;
  localparam SLOTS = OUTPUTS / BANKS;
  localparam OUTPUT_BITS = $clog2(OUTPUTS);
  localparam WORDS = 9;
  localparam [2:0] LAST_SLOT = SLOTS - 1;
  localparam PACE = LANES < 16 ? 16 : 1;  // cycles from one sum to the next
  localparam PACE_BITS = $clog2(8 * PACE);
  localparam ONE_PORT = OUTPUTS == 1 && WEIGHT_WORDS >= 16384;  // weights in an UltraPlus's large RAMs

  // -- The host's side -----------------------------------------------------------------------------------------------
  wire [63:0] word;
  wire [16:0] place;
  wire to_program, to_weights, to_constants, to_tables;
  wire [ 7:0] byte_mask;
  wire [15:0] byte_address;
  wire [ 7:0] byte_data;
  loader loader (
      .clk(clk), .locked(busy), .bus_write(bus_write), .bus_address(bus_address), .bus_data(bus_data),
      .word(word), .place(place), .to_program(to_program), .to_weights(to_weights), .to_constants(to_constants),
      .to_tables(to_tables), .byte_mask(byte_mask), .byte_address(byte_address), .byte_data(byte_data)
  );

  // -- The operation that runs: slots of 16 bits, as hardware/fpga/operations.py lays them out ------------------------
  wire load, finished;
  wire [15:0] program_address;
  wire [63:0] program_word;
  wire [64*WORDS-1:0] operation;
  memory #(.WIDTH(64), .DEPTH(PROGRAM_WORDS), .INIT(INIT ? "program.hex" : "")) program_memory (
      .clk(clk), .write(to_program), .write_address(place[15:0]), .write_data(word),
      .read_address(program_address), .read_data(program_word)
  );
  sequencer #(.WORDS(WORDS), .SETTLE(24 + 8 * PACE)) sequencer (
      .clk(clk), .reset(reset), .start(start), .busy(busy), .cycles(cycles), .program_address(program_address),
      .program_data(program_word), .operation(operation), .load(load), .finished(finished)
  );
`define SLOT(number, width) operation[16*(number)+:(width)]
  wire bytewise = operation[1];
  wire has_b = operation[4];
  wire [1:0] constants_by = operation[9:8];
  wire [2:0] last_slot = bytewise ? 3'd7 : LAST_SLOT;
  wire [PACE_BITS-1:0] least = bytewise ? 8 * PACE - 1 : SLOTS * PACE - 1;
  wire [7:0] fill = `SLOT(27, 8);
  wire [7:0] zero = `SLOT(29, 8);
  wire [7:0] low = operation[16*29+8+:8];
  wire [7:0] high = `SLOT(30, 8);

  // -- Reads ---------------------------------------------------------------------------------------------------------
  wire issue, outside, first, last, tap, second, group_first, group_last;
  wire [15:0] read_address, weight_address;
  walker #(.PACE_BITS(PACE_BITS)) walker (
      .clk(clk), .reset(reset), .load(load), .finished(finished),
      .groups(`SLOT(1, 10)), .rows(`SLOT(2, 10)), .columns(`SLOT(3, 10)), .taps_down(`SLOT(4, 10)),
      .taps_across(`SLOT(5, 10)), .words(`SLOT(6, 10)), .hold(`SLOT(7, 10)), .advance(operation[15:14]),
      .source(`SLOT(8, 16)), .row_stride(`SLOT(9, 16)), .column_stride(`SLOT(10, 16)),
      .tap_row_stride(`SLOT(11, 16)), .tap_column_stride(`SLOT(12, 16)),
      .top(`SLOT(13, 12)), .left(`SLOT(14, 12)), .down(`SLOT(15, 12)), .across(`SLOT(16, 12)),
      .tap_down(`SLOT(17, 12)), .tap_across(`SLOT(18, 12)), .height(`SLOT(19, 12)), .width(`SLOT(20, 12)),
      .weights(`SLOT(21, 16)), .reuse(operation[7]), .b(has_b), .b_step(operation[10]),
      .b_source(`SLOT(24, 16)), .b_row_stride(`SLOT(25, 16)), .b_column_stride(`SLOT(26, 16)), .least(least),
      .issue(issue), .address(read_address), .weight(weight_address), .outside(outside), .first(first), .last(last),
      .tap(tap), .second(second), .group_first(group_first), .group_last(group_last)
  );

  // What a read is, as it goes with it: cycles 1 to 6.
  localparam ISSUE = 0, OUTSIDE = 1, FIRST = 2, LAST = 3, TAP = 4, SECOND = 5, GROUP_FIRST = 6, GROUP_LAST = 7;
  reg [7:0] read_1, read_2, read_3, read_4, read_5, read_6;
  always @(posedge clk) begin
    read_1 <= {group_last, group_first, second, tap, last, first, outside, issue};
    read_2 <= read_1;
    read_3 <= read_2;
    read_4 <= read_3;
    read_5 <= read_4;
    read_6 <= read_5;
    if (reset) begin
      read_1 <= 8'd0;
      read_2 <= 8'd0;
      read_3 <= 8'd0;
      read_4 <= 8'd0;
      read_5 <= 8'd0;
      read_6 <= 8'd0;
    end
  end

  // -- Activations: eight memories of bytes, so that a word can be written in part -----------------------------------
  wire [ 7:0] packed_mask;
  wire [15:0] packed_address;
  wire [63:0] packed_data;
  wire [63:0] activations;
  wire [15:0] from = busy ? read_address : bus_address[18:3];
  wire by_host = |byte_mask;
  genvar at;
  generate
    for (at = 0; at < 8; at = at + 1) begin : activation
      localparam [7:0] DIGIT = 48 + at;
      memory #(.WIDTH(8), .DEPTH(ACTIVATION_WORDS), .INIT(INIT ? {"activations_", DIGIT, ".hex"} : "")) memory (
          .clk(clk), .write(byte_mask[at] | packed_mask[at]), .write_address(by_host ? byte_address : packed_address),
          .write_data(by_host ? byte_data : packed_data[8*at+:8]), .read_address(from),
          .read_data(activations[8*at+:8])
      );
    end
  endgenerate
  reg [63:0] data;
  always @(posedge clk) data <= read_1[OUTSIDE] ? {8{fill}} : activations;

  reg reading, readable;
  reg [2:0] lane;
  always @(posedge clk) begin
    reading <= bus_read;
    readable <= bus_address[23:20] == 4'd4;
    lane <= bus_address[2:0];
    bus_valid <= reading && !reset;
    bus_q <= readable ? activations[8*lane+:8] : 8'd0;
  end

  // -- The array -----------------------------------------------------------------------------------------------------
  wire [15:0] weight_place = place >> OUTPUT_BITS;
  wire [64*OUTPUTS-1:0] weights_read;
  reg  [64*OUTPUTS-1:0] weights;
  generate
    for (at = 0; at < OUTPUTS; at = at + 1) begin : weight
      localparam [7:0] LETTER = 97 + at;
      if (ONE_PORT) begin : of_one_port
        single_port_memory #(.WIDTH(64), .DEPTH(WEIGHT_WORDS), .INIT(INIT ? "weights_a.hex" : "")) memory (
            .clk(clk), .write(to_weights), .address(to_weights ? weight_place : weight_address), .write_data(word),
            .read_data(weights_read)
        );
      end else begin : of_two_ports
        memory #(.WIDTH(64), .DEPTH(WEIGHT_WORDS), .INIT(INIT ? {"weights_", LETTER, ".hex"} : "")) memory (
            .clk(clk), .write(to_weights && (place & (OUTPUTS - 1)) == at), .write_address(weight_place),
            .write_data(word), .read_address(weight_address), .read_data(weights_read[64*at+:64])
        );
      end
    end
  endgenerate
  always @(posedge clk) weights <= weights_read;

  wire step;
  wire [32*BANKS-1:0] array_sums;
  array #(.OUTPUTS(OUTPUTS), .SLOTS(SLOTS), .BANKS(BANKS)) array (
      .clk(clk), .data(data), .weights(weights), .add(read_5[ISSUE]), .first(read_5[FIRST]), .take(read_6[LAST]),
      .step(step), .sums(array_sums)
  );
  reg [9:0] taps_inside;
  always @(posedge clk)
    if (read_5[ISSUE])
      taps_inside <= (read_5[FIRST] ? 10'd0 : taps_inside) + {9'd0, read_5[TAP] && !read_5[OUTSIDE]};

  // -- Bytes ---------------------------------------------------------------------------------------------------------
  wire [7:0] index_a, index_b;
  wire [31:0] entry_a, entry_b, element_sum;
  elements elements (
      .clk(clk), .data(data), .add(read_2[ISSUE]), .first(read_2[FIRST]), .second(read_2[SECOND]),
      .take(read_3[LAST]), .step(step), .operation(operation[3:2]), .still_a(operation[5]), .still_b(operation[6]),
      .zero_a(`SLOT(28, 8)), .zero_b(operation[16*28+8+:8]), .index_a(index_a), .index_b(index_b),
      .entry_a(entry_a), .entry_b(entry_b), .sum(element_sum)
  );
  memory #(.WIDTH(32), .DEPTH(TABLE_WORDS), .INIT(INIT ? "table_a.hex" : "")) table_a (
      .clk(clk), .write(to_tables), .write_address(place[15:0]), .write_data(word[31:0]),
      .read_address({`SLOT(23, 8), index_a}), .read_data(entry_a)
  );
  memory #(.WIDTH(32), .DEPTH(TABLE_WORDS), .INIT(INIT ? "table_b.hex" : "")) table_b (
      .clk(clk), .write(to_tables), .write_address(place[15:0]), .write_data(word[63:32]),
      .read_address({`SLOT(23, 8), index_b}), .read_data(entry_b)
  );

  // -- Sums become bytes ---------------------------------------------------------------------------------------------
  wire [15:0] constant_address;
  wire [1:0] slot_valid;
  wire [7:0] taken = bytewise ? read_3 : read_6;
  slots #(.PACE(PACE)) slots (
      .clk(clk), .reset(reset), .take(taken[LAST]), .group_first(taken[GROUP_FIRST]),
      .group_last(taken[GROUP_LAST]), .taps_inside(taps_inside), .slots(last_slot), .by(constants_by),
      .base(`SLOT(22, 16)), .first_valid(operation[16*30+8+:4]), .second_valid(operation[16*30+12+:4]),
      .constant(constant_address), .valid(slot_valid), .step(step)
  );
  reg [1:0] valid_1, valid_2, valid_3;
  always @(posedge clk) begin
    valid_1 <= slot_valid;
    valid_2 <= valid_1;
    valid_3 <= valid_2;
    if (reset) {valid_1, valid_2, valid_3} <= 6'd0;
  end

  localparam BANK_BITS = BANKS > 1 ? 1 : 0;
  wire [15:0] constant_place = place >> (1 + BANK_BITS);
  wire [1:0] byte_valid;
  wire [15:0] bytes;
  generate
    for (at = 0; at < BANKS; at = at + 1) begin : bank
      localparam [7:0] LETTER = 97 + at;
      wire chosen = to_constants && (BANKS == 1 || place[1] == at);
      wire [42:0] scale_read;
      wire [31:0] bias_read;
      memory #(.WIDTH(43), .DEPTH(CONSTANT_WORDS), .INIT(INIT ? {"scales_", LETTER, ".hex"} : "")) scale_memory (
          .clk(clk), .write(chosen && !place[0]), .write_address(constant_place), .write_data(word[42:0]),
          .read_address(constant_address), .read_data(scale_read)
      );
      memory #(.WIDTH(32), .DEPTH(CONSTANT_WORDS), .INIT(INIT ? {"biases_", LETTER, ".hex"} : "")) bias_memory (
          .clk(clk), .write(chosen && place[0]), .write_address(constant_place), .write_data(word[31:0]),
          .read_address(constant_address), .read_data(bias_read)
      );
      if (PACE > 1) begin : slow
        // All of a slot's sums and constants stay until its last cycle.
        serial_requantiser requantiser (
            .clk(clk), .reset(reset), .valid(valid_3[at]), .sum(bytewise ? element_sum : array_sums[32*at+:32]),
            .bias(bias_read), .scale(scale_read), .zero(zero), .low(low), .high(high), .valid_out(byte_valid[at]),
            .result(bytes[8*at+:8])
        );
      end else begin : fast
        reg [42:0] scale_2, scale_3;
        reg [31:0] bias_2, bias_3, sum_1, sum_2, sum_3;
        always @(posedge clk) begin
          scale_2 <= scale_read;
          scale_3 <= scale_2;
          bias_2 <= bias_read;
          bias_3 <= bias_2;
          sum_1 <= array_sums[32*at+:32];
          sum_2 <= sum_1;
          sum_3 <= sum_2;
        end
        requantiser requantiser (
            .clk(clk), .reset(reset), .valid(valid_3[at]), .sum(bytewise && at == 0 ? element_sum : sum_3),
            .bias(bias_3), .scale(scale_3), .zero(zero), .low(low), .high(high), .valid_out(byte_valid[at]),
            .result(bytes[8*at+:8])
        );
      end
    end
    if (BANKS == 1) begin : alone
      assign byte_valid[1] = 1'b0;
      assign bytes[15:8]   = 8'd0;
    end
  endgenerate

  packer packer (
      .clk(clk), .reset(reset), .load(load), .out(`SLOT(31, 16)), .row_stride(`SLOT(32, 16)),
      .column_stride(`SLOT(33, 16)), .columns(`SLOT(34, 16)), .channels(`SLOT(35, 16)), .lane(operation[13:11]),
      .both(BANKS > 1 && !bytewise), .valid(byte_valid), .bytes(bytes), .write_mask(packed_mask),
      .write_address(packed_address), .write_data(packed_data)
  );
endmodule
