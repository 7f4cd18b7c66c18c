// Walks through an operation: for each point of the output (rows, columns), each group of its channels, each tap of the
// window (down, across), each word of a tap's point: one read a cycle, of the activations and of the weights.
//
// All counts are given minus one. Addresses are in words and wrap at 2^16. A group takes at least `least` + 1 cycles,
// until its sums have left; with `b`, a word of the second operand is read behind a group's taps.
//
// load              for one cycle: take the fields, begin in the next
// finished          in the cycle of the last step
// issue             this cycle's read counts; one cycle after the step that made it, as are all outputs below
// address, weight   of the activations and the weights
// outside           the tap lies in the padding; the word that was read isn't to be used
// first, last       of a group's reads
// tap               the first word of a tap
// second            the word of the second operand
// group_first, group_last   of a point's groups
module walker #(
    parameter PACE_BITS = 3
) (
    input  wire        clk,
    input  wire        reset,
    input  wire        load,
    input  wire [ 9:0] groups,
    input  wire [ 9:0] rows,
    input  wire [ 9:0] columns,
    input  wire [ 9:0] taps_down,
    input  wire [ 9:0] taps_across,
    input  wire [ 9:0] words,
    input  wire [ 9:0] hold,               // groups that read the same words of a point
    input  wire [ 1:0] advance,            // words to go on by then
    input  wire [15:0] source,             // of the first tap of the first point; steps of addresses:
    input  wire [15:0] row_stride,         // an output row on
    input  wire [15:0] column_stride,      // an output column on
    input  wire [15:0] tap_row_stride,     // a tap down
    input  wire [15:0] tap_column_stride,  // a tap across
    input  wire [11:0] top,                // row and column of the first tap, and steps of these, in the same order
    input  wire [11:0] left,
    input  wire [11:0] down,
    input  wire [11:0] across,
    input  wire [11:0] tap_down,
    input  wire [11:0] tap_across,
    input  wire [11:0] height,
    input  wire [11:0] width,
    input  wire [15:0] weights,
    input  wire        reuse,              // each tap of a group has the same weights, and so have groups after `hold`
    input  wire        b,
    input  wire        b_step,
    input  wire [15:0] b_source,
    input  wire [15:0] b_row_stride,
    input  wire [15:0] b_column_stride,
    input  wire [PACE_BITS-1:0] least,
    output wire        finished,
    output reg         issue,
    output reg  [15:0] address,
    output reg  [15:0] weight,
    output reg         outside,
    output reg         first,
    output reg         last,
    output reg         tap,
    output reg         second,
    output reg         group_first,
    output reg         group_last
);
  localparam TAPS = 2'd0, SECOND = 2'd1, PAUSE = 2'd2;

  reg active;
  reg [1:0] phase;
  reg [PACE_BITS-1:0] pace;
  reg [9:0] word_count, across_count, down_count, held, group, column, row;

  wire word_end = word_count == words;
  wire across_end = across_count == taps_across;
  wire down_end = down_count == taps_down;
  wire taps_end = phase == TAPS && word_end && across_end && down_end;
  wire reads_end = b ? phase == SECOND : taps_end;
  wire group_end = (reads_end || phase == PAUSE) && pace == 0;
  wire held_end = held == hold;
  wire point_end = group_end && group == groups;
  wire row_end = point_end && column == columns;
  assign finished = active && row_end && row == rows;

  // Addresses of the output row's, the point's, the tap row's and the tap's first word; then the word in the point.
  reg [15:0] row_at, point_at, tap_row_at, tap_at, word_at, words_from;
  wire [15:0] next_row_at = row_at + row_stride;
  wire [15:0] next_point_at = column == columns ? next_row_at : point_at + column_stride;
  wire [15:0] next_tap_row_at = tap_row_at + tap_row_stride;
  wire [15:0] next_words_from = held_end ? words_from + {14'd0, advance} : words_from;

  // Rows and columns: of the point's first tap, and of the tap.
  reg [11:0] point_y, point_x, y, x;
  wire [11:0] next_point_y = column == columns ? point_y + down : point_y;
  wire [11:0] next_point_x = column == columns ? left : point_x + across;

  reg [15:0] weight_at, weights_from;
  wire [15:0] next_weight = phase == TAPS ? weight_at + 16'd1 : weight_at;
  wire [15:0] next_weights_from = reuse && held_end ? weights : next_weight;

  reg [15:0] b_row_at, b_point_at, b_word_at;
  wire [15:0] next_b_row_at = b_row_at + b_row_stride;
  wire [15:0] next_b_point_at = column == columns ? next_b_row_at : b_point_at + b_column_stride;

  always @(posedge clk) begin
    issue <= active && phase != PAUSE;
    address <= phase == SECOND ? b_point_at + b_word_at : tap_at + word_at;
    weight <= weight_at;
    outside <= phase == TAPS && !(y < height && x < width);  // what is negative is large
    first <= phase == TAPS && word_count == 10'd0 && across_count == 10'd0 && down_count == 10'd0;
    last <= active && reads_end;
    tap <= phase == TAPS && word_count == 10'd0;
    second <= phase == SECOND;
    group_first <= group == 10'd0;
    group_last <= group == groups;

    if (active) begin
      if (pace != 0) pace <= pace - 1'b1;
      if (phase == TAPS) step_tap;
      else phase <= PAUSE;
      if (group_end) next_group;
      if (point_end) next_point;
      if (finished) active <= 1'b0;
    end
    if (load) begin
      active <= 1'b1;
      begin_point(source, top, left);
      column <= 10'd0;
      row <= 10'd0;
      row_at <= source;
      b_row_at <= b_source;
      b_point_at <= b_source;
    end
    if (reset) begin
      active <= 1'b0;
      issue  <= 1'b0;
      last   <= 1'b0;
    end
  end

  // The next word of a tap, the next tap of a group, or what follows the last.
  task step_tap;
    begin
      weight_at  <= word_end && !taps_end && reuse ? weights_from : next_weight;
      word_count <= word_end ? 10'd0 : word_count + 10'd1;
      word_at    <= word_end ? words_from : word_at + 16'd1;
      if (word_end) begin
        across_count <= across_end ? 10'd0 : across_count + 10'd1;
        tap_at <= across_end ? next_tap_row_at : tap_at + tap_column_stride;
        x <= across_end ? point_x : x + tap_across;
        if (across_end) begin
          down_count <= down_end ? 10'd0 : down_count + 10'd1;
          tap_row_at <= next_tap_row_at;
          y <= y + tap_down;
          if (down_end) phase <= b ? SECOND : PAUSE;
        end
      end
    end
  endtask

  task next_group;
    begin
      phase <= TAPS;
      pace <= least;
      group <= group + 10'd1;
      held <= held_end ? 10'd0 : held + 10'd1;
      tap_row_at <= point_at;
      tap_at <= point_at;
      words_from <= next_words_from;
      word_at <= next_words_from;
      y <= point_y;
      x <= point_x;
      weight_at <= next_weights_from;
      weights_from <= next_weights_from;
      b_word_at <= b_word_at + {15'd0, b_step};
    end
  endtask

  task next_point;
    begin
      begin_point(next_point_at, next_point_y, next_point_x);
      column <= column == columns ? 10'd0 : column + 10'd1;
      b_point_at <= next_b_point_at;
      if (column == columns) begin
        row <= row + 10'd1;
        row_at <= next_row_at;
        b_row_at <= next_b_row_at;
      end
    end
  endtask

  task begin_point(input [15:0] at, input [11:0] from_y, input [11:0] from_x);
    begin
      phase <= TAPS;
      pace <= least;
      word_count <= 10'd0;
      across_count <= 10'd0;
      down_count <= 10'd0;
      group <= 10'd0;
      held <= 10'd0;
      point_at <= at;
      tap_row_at <= at;
      tap_at <= at;
      words_from <= 16'd0;
      word_at <= 16'd0;
      point_y <= from_y;
      point_x <= from_x;
      y <= from_y;
      x <= from_x;
      weight_at <= weights;
      weights_from <= weights;
      b_word_at <= 16'd0;
    end
  endtask
endmodule
