internal import TensorTypes

/// A piece of work: consecutive rows of one tensor, made from one range of one source file for one or more outputs.
struct Tile: Sendable {
  /// The index of the tensor in the union.
  var tensor: Int
  /// What is made of the rows.
  var demands: [Demand]
  /// The run of the tensor's feed, -1 for computed values.
  var run: Int
  /// The first output row.
  var firstRow: Int
  /// The number of output rows.
  var rowCount: Int
  /// The offset of the first of these rows inside the run.
  var offsetInRun: Int
  /// The source row that the bytes start with; for rows that are columns of the source, the same as `offsetInRun`.
  var firstSourceRow: Int
  /// The source file, -1 for computed values.
  var file: Int
  /// Where the bytes start in the source file.
  var sourceOffset: Int
  /// How many bytes are read.
  var sourceByteCount: Int
  /// What is read of each source row when the tile's rows are columns of the source.
  var pieces: Pieces?
  /// The scales that are read with the rows; `nil` for rows without any, and for those whose scales are in a table.
  var scales: Scales?

  /// A form of the rows that is wanted.
  struct Demand: Sendable {
    /// The index of the form among those of the tensor.
    var form: Int
    /// The tensors that the rows are put into, those of one output each.
    var targets: [WorkUnion.Target]
  }

  /// Scales of the source rows of a tile.
  struct Scales: Sendable {
    /// Their type.
    var type: ElementType
    /// Their file, never a compressed one.
    var file: Int
    /// Where they start in the file.
    var offset: Int
    /// How many bytes are read.
    var byteCount: Int
    /// Where they are put in the buffer, behind the rows.
    var place: Int
    /// Biases, of as many bytes, which follow the scales: their file, and where they start in it; `nil` without.
    var biases: (file: Int, offset: Int)?

    /// Where the biases are put.
    var biasPlace: Int { Self.place(behind: place + byteCount) }
    /// Where all of them end.
    var end: Int { (biases == nil ? place : biasPlace) + byteCount }

    /// The place behind rows of as many bytes.
    static func place(behind byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }
  }

  /// The part of each source row that holds the columns of a tile.
  struct Pieces: Sendable {
    /// Bytes of a piece.
    var byteCount: Int
    /// Bytes of a value.
    var valueByteCount: Int
    /// Bytes from the start of one piece to that of the next.
    var pitch: Int
    /// The whole source rows, which the tiles of other columns take pieces of, too.
    var region: Range<Int>

    /// The pieces that are read and turned at a time: a cache line of 16-bit values in each output row.
    private static let mostPerTurn = 32
    /// The fewest, and bytes beyond which there are fewer than the most.
    private static let fewestPerTurn = 8
    private static let byteCountPerTurn = 64 << 10

    /// The pieces that are read before they are turned; they should stay in the first-level cache.
    static func countPerTurn(byteCount: Int) -> Int {
      max(fewestPerTurn, min(mostPerTurn, byteCountPerTurn / max(1, byteCount)))
    }

    /// Bytes for the pieces that are read before they are turned, of as many bytes or fewer.
    static func spaceToTurn(byteCount: Int) -> Int { max(byteCountPerTurn, fewestPerTurn * byteCount) }
  }
}
