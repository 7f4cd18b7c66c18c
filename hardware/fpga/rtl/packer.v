// Bytes become words: each is put in its place of a word, and the word is written when it is full or its point ends.
//
// load               for one cycle: take the fields
// out                address of the first word; then a column on, a row on (all in words)
// columns, channels  minus one: of the points of a row, of the bytes of a point that come through the first bank
// lane               place of a point's first byte
// both               two banks at work: their words lie side by side
// valid, bytes       of the banks; both banks' bytes belong to one place
// write_*            a word; a bit of the mask for each byte that is written
// Latency: one cycle behind a word's last byte; the second bank's word waits until the first's are written.
module packer (
    input  wire        clk,
    input  wire        reset,
    input  wire        load,
    input  wire [15:0] out,
    input  wire [15:0] row_stride,
    input  wire [15:0] column_stride,
    input  wire [15:0] columns,
    input  wire [15:0] channels,
    input  wire [ 2:0] lane,
    input  wire        both,
    input  wire [ 1:0] valid,
    input  wire [15:0] bytes,
    output reg  [ 7:0] write_mask,
    output reg  [15:0] write_address,
    output reg  [63:0] write_data
);
  reg [15:0] row_at, point_at, word_at, column, channel;
  reg [ 2:0] place;
  wire channel_end = channel == channels;
  wire column_end = column == columns;
  wire [15:0] next_row_at = row_at + row_stride;
  wire [15:0] next_point_at = column_end ? next_row_at : point_at + column_stride;

  // The words in the making, with this cycle's bytes.
  reg [63:0] first_word, second_word;
  reg [7:0] first_mask, second_mask;
  wire [7:0] here = 8'd1 << place;
  wire [7:0] first_filled = first_mask | here;
  wire [7:0] second_filled = second_mask | (valid[1] ? here : 8'd0);
  wire [63:0] first_whole, second_whole;
  genvar at;
  generate
    for (at = 0; at < 8; at = at + 1) begin : each
      assign first_whole[8*at+:8]  = here[at] ? bytes[7:0] : first_word[8*at+:8];
      assign second_whole[8*at+:8] = here[at] ? bytes[15:8] : second_word[8*at+:8];
    end
  endgenerate
  wire full = valid[0] && (place == 3'd7 || channel_end);

  reg waiting;
  reg [7:0] waiting_mask;
  reg [15:0] waiting_address;
  reg [63:0] waiting_data;

  always @(posedge clk) begin
    write_mask <= full ? first_filled : waiting ? waiting_mask : 8'd0;
    write_address <= full ? word_at : waiting_address;
    write_data <= full ? first_whole : waiting_data;
    if (full) begin
      first_mask <= 8'd0;
      second_mask <= 8'd0;
      if (both && second_filled != 8'd0) begin
        waiting <= 1'b1;
        waiting_mask <= second_filled;
        waiting_address <= word_at + 16'd1;
        waiting_data <= second_whole;
      end
    end else begin
      waiting <= 1'b0;
      if (valid[0]) begin
        first_mask  <= first_filled;
        first_word  <= first_whole;
        second_mask <= second_filled;
        second_word <= second_whole;
      end
    end

    if (valid[0]) begin
      channel <= channel_end ? 16'd0 : channel + 16'd1;
      place   <= channel_end ? lane : place + 3'd1;
      if (channel_end) begin
        column   <= column_end ? 16'd0 : column + 16'd1;
        point_at <= next_point_at;
        word_at  <= next_point_at;
        if (column_end) row_at <= next_row_at;
      end else if (place == 3'd7) word_at <= word_at + (both ? 16'd2 : 16'd1);
    end

    if (load) begin
      row_at <= out;
      point_at <= out;
      word_at <= out;
      column <= 16'd0;
      channel <= 16'd0;
      place <= lane;
    end
    if (reset || load) begin
      write_mask <= 8'd0;
      first_mask <= 8'd0;
      second_mask <= 8'd0;
      waiting <= 1'b0;
    end
  end
endmodule
