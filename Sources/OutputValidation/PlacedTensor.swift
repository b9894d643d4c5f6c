internal import CheckpointConversion
internal import GGUFFormat
internal import ModelDescriptions
internal import TensorTypes

/// A tensor under the name that it has where it is kept apart, with the place of its rows in a file.
struct PlacedTensor {
  /// Name, shape, type and size; the offset is that of the file's tensor.
  var info: GGUFTensorInfo
  /// The index of the file.
  var shard: Int
  /// The first byte of the file's tensor.
  var position: Int
  /// Where the rows are in it; `nil` when it is this tensor.
  var place: GGUFLayout.Place?

  /// A tensor that is as it is called.
  init(_ tensor: GGUFSplitSet.Tensor) {
    info = tensor.info
    shard = tensor.shard
    position = tensor.position
  }

  /// Finds a tensor of a file; `nil` when the file has no such rows.
  init?(_ name: String, in set: GGUFSplitSet, _ layout: GGUFLayout?) {
    if let tensor = set.tensor(name) {
      self.init(tensor)
      return
    }
    guard let place = layout?.place(of: name), let whole = set.tensor(place.tensor),
      let shape = layout?.fused[place.tensor]?.ggmlShape,
      TensorSetCheck.trimmed(shape) == TensorSetCheck.trimmed(whole.info.ggmlShape)
    else {
      return nil
    }
    self.init(whole)
    self.place = place
    info.name = name
    info.ggmlShape = place.ggmlShape
    info.byteCount = info.type.rowByteCount(length: place.ggmlShape.reduce(1, *)) ?? info.byteCount
  }

  /// Where a row starts, and how many from there on follow each other.
  ///
  /// - Parameters:
  ///   - row: The row, counted over all matrices.
  ///   - rowByteCount: Bytes per row.
  /// - Returns: The position in the file, and the number of rows.
  func bytes(fromRow row: Int, rowByteCount: Int) -> (position: Int, rowCount: Int) {
    guard let place else { return (position + row * rowByteCount, .max) }
    let (first, count) = place.storedRows(from: row)
    return (position + first * rowByteCount, count)
  }
}

extension GGUFLayout {
  /// The layout of a file; `nil` when the architecture is not known or the metadata cannot be read.
  init?(_ set: GGUFSplitSet) {
    self.init(metadata: set.metadata, embeddingRows: set.embeddingRows) { set.tensor($0) != nil }
  }
}
