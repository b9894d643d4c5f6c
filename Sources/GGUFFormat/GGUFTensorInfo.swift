internal import FileBytes
public import TensorTypes

/// One tensor of a GGUF file as its header describes it.
public struct GGUFTensorInfo: Hashable, Sendable {
  /// The name, at most 63 bytes.
  public var name: String
  /// How values are packed.
  public var type: TensorType
  /// The dimensions as stored, fastest first; 0 to 4 of them.
  public var ggmlShape: [Int]
  /// The first byte, counted from the start of the data section; a multiple of the alignment.
  public var offset: Int
  /// The size in bytes without the padding that follows.
  public var byteCount: Int

  /// Creates a description.
  public init(name: String, type: TensorType, ggmlShape: [Int], offset: Int, byteCount: Int) {
    self.name = name
    self.type = type
    self.ggmlShape = ggmlShape
    self.offset = offset
    self.byteCount = byteCount
  }

  /// The number of values; cannot overflow in a tensor that was read or planned.
  public var elementCount: Int { ggmlShape.reduce(1, *) }
}

/// A tensor to be written: what the caller decides, before offsets are known.
public struct GGUFTensorDescription: Hashable, Sendable {
  /// The name, at most 63 bytes.
  public var name: String
  /// How values are packed.
  public var type: TensorType
  /// The dimensions, fastest first; at most 4.
  public var ggmlShape: [Int]

  /// Creates a description.
  public init(name: String, type: TensorType, ggmlShape: [Int]) {
    self.name = name
    self.type = type
    self.ggmlShape = ggmlShape
  }
}

/// Constants of the format.
public enum GGUFConstants {
  /// The alignment of tensor data when `general.alignment` is absent; the only one that Pouch writes.
  public static let defaultAlignment = 32
  /// The version that Pouch writes.
  public static let version: UInt32 = 3
  /// The longest tensor name, in bytes.
  public static let maximumNameByteCount = 63
  /// The most dimensions of a tensor.
  public static let maximumDimensionCount = 4
  /// The longest string, in bytes.
  package static let maximumStringByteCount = 1 << 30
  /// The most elements of an array.
  package static let maximumElementCount = 1 << 30
  /// The longest header that Pouch reads, in bytes; a vocabulary of 250,000 tokens needs about 10 MB.
  package static let maximumHeaderByteCount = 1 << 28

  /// Rounds `count` up to a multiple of `alignment` (a power of two), or returns `nil` on overflow.
  public static func padded(_ count: Int, to alignment: Int = defaultAlignment) -> Int? {
    let (sum, overflow) = count.addingReportingOverflow(alignment - 1)
    return overflow ? nil : sum & ~(alignment - 1)
  }
}

/// Size arithmetic that reading and writing share.
enum TensorSize {
  /// The bytes of a tensor, or what is wrong with its shape.
  static func byteCount(type: TensorType, ggmlShape: [Int]) -> Result<Int, Problem> {
    var elements = 1
    for dimension in ggmlShape {
      guard dimension >= 0 else { return .failure(.negative) }
      let (product, overflow) = elements.multipliedReportingOverflow(by: dimension)
      guard !overflow else { return .failure(.tooManyElements) }
      elements = product
    }
    guard (ggmlShape.first ?? 1) % type.blockLength == 0 else { return .failure(.partialBlock) }
    guard let bytes = type.rowByteCount(length: elements) else { return .failure(.tooManyBytes) }
    return .success(bytes)
  }

  /// What can be wrong.
  enum Problem: Error {
    case negative
    case tooManyElements
    case partialBlock
    case tooManyBytes
  }

  /// The code of a problem.
  static func code(_ problem: Problem) -> GGUFError.Code {
    switch problem {
    case .negative: .badDimension
    case .tooManyElements: .shapeOverflow
    case .partialBlock: .partialBlock
    case .tooManyBytes: .sizeOverflow
    }
  }

  /// What had to be there instead of a problem.
  static func expectation(_ problem: Problem, _ type: TensorType) -> String {
    switch problem {
    case .negative: "dimensions of at least 0"
    case .tooManyElements: "fewer than 2^63 elements"
    case .partialBlock: "a first dimension divisible by \(type.blockLength) (\(type.name))"
    case .tooManyBytes: "a size below 2^63 bytes"
    }
  }
}
