internal import TensorTypes

/// Packs GGUF fields into bytes.
struct GGUFByteWriter {
  /// What has been written.
  private(set) var bytes: [UInt8] = []

  /// Appends a little-endian integer.
  mutating func append<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Appends a string: its byte count and its bytes.
  mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { units in
      append(UInt64(units.count))
      bytes.append(contentsOf: units)
    }
  }

  /// Appends a string of any bytes.
  mutating func append(raw: [UInt8]) {
    append(UInt64(raw.count))
    bytes.append(contentsOf: raw)
  }

  /// Appends integers without count or type.
  private mutating func append<T: FixedWidthInteger>(all values: [T]) {
    #if _endian(little)
      values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    #else
      for value in values { append(value) }
    #endif
  }

  /// Appends zeros up to a multiple of `alignment`.
  mutating func pad(to alignment: Int) {
    while bytes.count % alignment != 0 { bytes.append(0) }
  }

  /// Appends a metadata entry: key, type, value.
  mutating func append(_ entry: MetadataEntry) {
    append(entry.key)
    append(type(of: entry.value))
    switch entry.value {
    case .uint8(let value): append(value)
    case .int8(let value): append(value)
    case .uint16(let value): append(value)
    case .int16(let value): append(value)
    case .uint32(let value): append(value)
    case .int32(let value): append(value)
    case .uint64(let value): append(value)
    case .int64(let value): append(value)
    case .float32(let value): append(value.bitPattern)
    case .float64(let value): append(value.bitPattern)
    case .bool(let value): append(UInt8(value ? 1 : 0))
    case .string(let value): append(value)
    case .rawString(let value): append(raw: value)
    case .array(let value): append(value)
    }
  }

  /// Appends an array: element type, count, elements.
  private mutating func append(_ array: MetadataArray) {
    append(elementType(of: array))
    append(UInt64(array.count))
    switch array {
    case .uint8(let values): bytes.append(contentsOf: values)
    case .int8(let values): append(all: values)
    case .uint16(let values): append(all: values)
    case .int16(let values): append(all: values)
    case .uint32(let values): append(all: values)
    case .int32(let values): append(all: values)
    case .uint64(let values): append(all: values)
    case .int64(let values): append(all: values)
    case .float32(let values): append(all: values.map(\.bitPattern))
    case .float64(let values): append(all: values.map(\.bitPattern))
    case .bool(let values): for value in values { append(UInt8(value ? 1 : 0)) }
    case .string(let values): for value in values { append(value) }
    case .rawString(let values): for value in values { append(raw: value) }
    }
  }

  /// Appends a tensor info.
  mutating func append(_ info: GGUFTensorInfo) {
    append(info.name)
    append(UInt32(info.ggmlShape.count))
    for dimension in info.ggmlShape { append(Int64(dimension)) }
    append(Int32(info.type.rawValue))
    append(UInt64(info.offset))
  }

  /// The type id of a value.
  private func type(of value: MetadataValue) -> Int32 {
    switch value {
    case .uint8: 0
    case .int8: 1
    case .uint16: 2
    case .int16: 3
    case .uint32: 4
    case .int32: 5
    case .float32: 6
    case .bool: 7
    case .string, .rawString: 8
    case .array: 9
    case .uint64: 10
    case .int64: 11
    case .float64: 12
    }
  }

  /// The type id of an array's elements.
  private func elementType(of array: MetadataArray) -> Int32 {
    switch array {
    case .uint8: 0
    case .int8: 1
    case .uint16: 2
    case .int16: 3
    case .uint32: 4
    case .int32: 5
    case .float32: 6
    case .bool: 7
    case .string, .rawString: 8
    case .uint64: 10
    case .int64: 11
    case .float64: 12
    }
  }
}
