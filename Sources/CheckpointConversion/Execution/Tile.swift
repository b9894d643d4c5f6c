/// A piece of work: consecutive rows of one output tensor, made from one range of one source file.
struct Tile: Sendable {
  /// The index of the output tensor.
  var tensor: Int
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
  /// How the bytes lie in the file when they do not follow each other.
  var pieces: Pieces?

  /// The part of each source row that holds the columns of a tile.
  struct Pieces: Sendable {
    /// Bytes of a piece.
    var byteCount: Int
    /// Bytes from the start of one piece to that of the next.
    var pitch: Int
    /// The whole source rows, which the tiles of other columns take pieces of, too.
    var region: Range<Int>
  }
}
