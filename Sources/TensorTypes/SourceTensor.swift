/// A tensor of a checkpoint as its header describes it; no bytes.
public struct SourceTensor: Hashable, Sendable {
  /// The name in the checkpoint, as stored.
  public var name: String
  /// How elements are stored.
  public var elementType: ElementType
  /// The row-major shape, slowest dimension first; empty for a scalar.
  public var shape: [Int]

  /// Creates a description.
  public init(name: String, elementType: ElementType, shape: [Int]) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
  }

  /// The length of one row: the last dimension, 1 for a scalar.
  public var rowLength: Int { shape.last ?? 1 }

  /// The number of rows when all but the last dimension are flattened; the caller has checked for overflow.
  public var rowCount: Int { shape.dropLast().reduce(1, *) }
}
