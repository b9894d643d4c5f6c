/// One typed GGUF metadata value.
public enum MetadataValue: Hashable, Sendable {
  case uint8(UInt8)
  case int8(Int8)
  case uint16(UInt16)
  case int16(Int16)
  case uint32(UInt32)
  case int32(Int32)
  case uint64(UInt64)
  case int64(Int64)
  case float32(Float)
  case float64(Double)
  case bool(Bool)
  case string(String)
  /// A string whose bytes are not valid UTF-8, kept as they are.
  case rawString([UInt8])
  case array(MetadataArray)
}

/// A GGUF metadata array; all elements have one type, arrays of arrays do not exist.
public enum MetadataArray: Hashable, Sendable {
  case uint8([UInt8])
  case int8([Int8])
  case uint16([UInt16])
  case int16([Int16])
  case uint32([UInt32])
  case int32([Int32])
  case uint64([UInt64])
  case int64([Int64])
  case float32([Float])
  case float64([Double])
  case bool([Bool])
  case string([String])
  /// Strings of which at least one is not valid UTF-8; bytes kept as they are.
  case rawString([[UInt8]])

  /// The number of elements.
  public var count: Int {
    switch self {
    case .uint8(let a): a.count
    case .int8(let a): a.count
    case .uint16(let a): a.count
    case .int16(let a): a.count
    case .uint32(let a): a.count
    case .int32(let a): a.count
    case .uint64(let a): a.count
    case .int64(let a): a.count
    case .float32(let a): a.count
    case .float64(let a): a.count
    case .bool(let a): a.count
    case .string(let a): a.count
    case .rawString(let a): a.count
    }
  }
}

/// A GGUF metadata key with its value; order matters in files.
public struct MetadataEntry: Hashable, Sendable {
  /// The key, such as `general.architecture`.
  public var key: String
  /// The typed value.
  public var value: MetadataValue

  /// Creates an entry.
  public init(_ key: String, _ value: MetadataValue) {
    self.key = key
    self.value = value
  }
}

extension MetadataValue {
  /// The value as an integer, for any integer type that fits.
  public var integer: Int? {
    switch self {
    case .uint8(let v): Int(v)
    case .int8(let v): Int(v)
    case .uint16(let v): Int(v)
    case .int16(let v): Int(v)
    case .uint32(let v): Int(v)
    case .int32(let v): Int(v)
    case .uint64(let v): Int(exactly: v)
    case .int64(let v): Int(exactly: v)
    default: nil
    }
  }

  /// The one integer that all elements of an array are; `nil` for other values and for an empty array.
  package var commonInteger: Int? {
    guard let integers, let first = integers.first, integers.allSatisfy({ $0 == first }) else { return nil }
    return first
  }

  /// The value as text, if it is a string.
  public var text: String? {
    if case .string(let s) = self { s } else { nil }
  }
}
