// The serial protocol, version 1: what hardware/fpga/wire/link.py speaks on the other side.
//
//   request  A5  tag  command  length(2)  argument(5)  data(length)  checksum(4)
//   answer   5A  tag  code     length(2)               data(length)  checksum(4)
//
// Numbers have their least significant byte first. The checksum is CRC-32/ISO-HDLC (IEEE 802.3, zlib) of everything
// between the first byte and itself. An answer has its request's tag; tag 0 belongs to what could not be read. After
// an error in a frame all bytes are passed over until the line has been quiet for the time limit; then the answer says
// what was wrong. A request is sent once the one before has been answered; while a run lasts, others may be.
`ifndef PROTOCOL
`define PROTOCOL
`define PROTOCOL_REQUEST    8'hA5
`define PROTOCOL_ANSWER     8'h5A

// command          argument                  data       answer
`define COMMAND_IDENTIFY    8'd1    // -                         -          the identity
`define COMMAND_WRITE       8'd2    // address(3) 0(2)           the bytes  -
`define COMMAND_READ        8'd3    // address(3) count(2)       -          the bytes
`define COMMAND_RUN         8'd4    // most cycles, 0: any(4) 0  -          cycles(4), once the engine is done
`define COMMAND_STATUS      8'd5    // -                         -          running(1) cycles of the last run(4) errors(2)

`define CODE_OK             8'd0
// The frame could not be read.
`define CODE_NOISE          8'd1    // a byte that begins no frame, or without its stop bit
`define CODE_CUT            8'd2    // no byte for the time limit
`define CODE_DAMAGED        8'd3    // the checksum is another
`define CODE_TOO_LONG       8'd4    // more data than there is room for
`define CODE_OVERRUN        8'd5    // bytes that came while a frame waited were lost
// It could be read, and not be done.
`define CODE_UNKNOWN        8'd16   // no such command
`define CODE_BUSY           8'd17   // the engine runs
`define CODE_NO_MEMORY      8'd18   // nothing answers at this address
`define CODE_LIMIT          8'd19   // the run took more cycles than it was given, and was ended
`define CODE_MALFORMED      8'd20   // data for a command that takes none
`endif
