/// The type of a single metadata value, or of the elements of an array.
package enum MetadataElement: String, Hashable, Sendable {
  case u8, i8, u16, i16, u32, i32, u64, i64, f32, f64, bool, string

  /// The type with an article, for messages.
  package var phrase: String {
    (rawValue.hasPrefix("i") || rawValue.hasPrefix("f") ? "an " : "a ") + rawValue
  }

  /// The type as dump tools write it.
  package var shortText: String { self == .string ? "str" : rawValue }
}

extension MetadataArray {
  /// The type of the elements.
  package var element: MetadataElement {
    switch self {
    case .uint8: .u8
    case .int8: .i8
    case .uint16: .u16
    case .int16: .i16
    case .uint32: .u32
    case .int32: .i32
    case .uint64: .u64
    case .int64: .i64
    case .float32: .f32
    case .float64: .f64
    case .bool: .bool
    case .string, .rawString: .string
    }
  }

  /// The elements as whole numbers, those beyond 63 bits cut to the largest; `nil` for other types.
  var clampedIntegers: [Int]? {
    switch self {
    case .uint8(let list): list.map(Int.init)
    case .int8(let list): list.map(Int.init)
    case .uint16(let list): list.map(Int.init)
    case .int16(let list): list.map(Int.init)
    case .uint32(let list): list.map(Int.init)
    case .int32(let list): list.map(Int.init)
    case .uint64(let list): list.map { Int(clamping: $0) }
    case .int64(let list): list.map(Int.init)
    case .float32, .float64, .bool, .string, .rawString: nil
    }
  }
}

extension MetadataValue {
  /// The type of a single value; `nil` for an array.
  package var element: MetadataElement? {
    switch self {
    case .uint8: .u8
    case .int8: .i8
    case .uint16: .u16
    case .int16: .i16
    case .uint32: .u32
    case .int32: .i32
    case .uint64: .u64
    case .int64: .i64
    case .float32: .f32
    case .float64: .f64
    case .bool: .bool
    case .string, .rawString: .string
    case .array: nil
    }
  }

  /// The elements as integers, if the value is an array of integers that fit.
  public var integers: [Int]? {
    guard case .array(let array) = self else { return nil }
    if case .uint64(let list) = array, list.contains(where: { $0 > Int.max }) { return nil }
    return array.clampedIntegers
  }

  /// The value, or the values of an array, as whole numbers; none for other types.
  ///
  /// For checks of ranges: an element of an array that is beyond 63 bits is the largest number there is.
  package var numbers: [Int] {
    if case .array(let array) = self { array.clampedIntegers ?? [] } else { integer.map { [$0] } ?? [] }
  }

  /// The value, or the values of an array, as real numbers; none for other types.
  package var reals: [Double] {
    switch self {
    case .float32(let value): [Double(value)]
    case .float64(let value): [value]
    case .array(.float32(let list)): list.map(Double.init)
    case .array(.float64(let list)): list
    default: []
    }
  }
}
