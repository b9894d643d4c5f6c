extension MetadataValue {
  /// The type as dump tools write it.
  public var typeText: String {
    switch self {
    case .uint8: "u8"
    case .int8: "i8"
    case .uint16: "u16"
    case .int16: "i16"
    case .uint32: "u32"
    case .int32: "i32"
    case .uint64: "u64"
    case .int64: "i64"
    case .float32: "f32"
    case .float64: "f64"
    case .bool: "bool"
    case .string, .rawString: "str"
    case .array(let array): "arr[\(array.elementTypeText),\(array.count)]"
    }
  }

  /// The value as messages show it: texts in quotes, lists with their length and type, all of them cut.
  public var summary: String {
    switch self {
    case .string(let text): "\"\(Self.shortened(text, whole: false))\""
    case .rawString(let bytes): "\(bytes.count) bytes that are not UTF-8"
    case .array(let list):
      list.count == 0
        ? "an empty array of \(list.elementTypeText)"
        : "\(list.text(whole: false)), an array of \(list.count) \(list.elementTypeText)"
    default: text(whole: false)
    }
  }

  /// The same with the type of a single value, for messages about types: `u32 5`.
  public var typedSummary: String {
    switch self {
    case .string, .rawString, .array: summary
    default: "\(typeText) \(summary)"
    }
  }

  /// The value as text, arrays and long strings cut unless `whole`.
  public func text(whole: Bool) -> String {
    switch self {
    case .uint8(let v): "\(v)"
    case .int8(let v): "\(v)"
    case .uint16(let v): "\(v)"
    case .int16(let v): "\(v)"
    case .uint32(let v): "\(v)"
    case .int32(let v): "\(v)"
    case .uint64(let v): "\(v)"
    case .int64(let v): "\(v)"
    case .float32(let v): "\(v)"
    case .float64(let v): "\(v)"
    case .bool(let v): "\(v)"
    case .string(let v): Self.shortened(v, whole: whole)
    case .rawString(let v): Self.shortened(String(decoding: v, as: UTF8.self), whole: whole)
    case .array(let array): array.text(whole: whole)
    }
  }

  static func shortened(_ text: String, whole: Bool) -> String {
    let oneLine = whole ? text : text.replacing("\n", with: "\\n")
    return whole || oneLine.count <= 60 ? oneLine : oneLine.prefix(57) + "..."
  }
}

extension MetadataArray {
  /// The type of the elements as dump tools write it.
  public var elementTypeText: String {
    switch self {
    case .uint8: "u8"
    case .int8: "i8"
    case .uint16: "u16"
    case .int16: "i16"
    case .uint32: "u32"
    case .int32: "i32"
    case .uint64: "u64"
    case .int64: "i64"
    case .float32: "f32"
    case .float64: "f64"
    case .bool: "bool"
    case .string, .rawString: "str"
    }
  }

  /// The elements as text, the first few of them unless `whole`.
  public func text(whole: Bool) -> String {
    func list<T>(_ values: [T], _ show: (T) -> String) -> String {
      let shown = whole ? values[...] : values.prefix(6)
      let rest = values.count > shown.count ? ", …" : ""
      return "[" + shown.map(show).joined(separator: ", ") + rest + "]"
    }
    switch self {
    case .uint8(let v): return list(v) { "\($0)" }
    case .int8(let v): return list(v) { "\($0)" }
    case .uint16(let v): return list(v) { "\($0)" }
    case .int16(let v): return list(v) { "\($0)" }
    case .uint32(let v): return list(v) { "\($0)" }
    case .int32(let v): return list(v) { "\($0)" }
    case .uint64(let v): return list(v) { "\($0)" }
    case .int64(let v): return list(v) { "\($0)" }
    case .float32(let v): return list(v) { "\($0)" }
    case .float64(let v): return list(v) { "\($0)" }
    case .bool(let v): return list(v) { "\($0)" }
    case .string(let v): return list(v) { MetadataValue.shortened($0, whole: whole) }
    case .rawString(let v):
      return list(v) { MetadataValue.shortened(String(decoding: $0, as: UTF8.self), whole: whole) }
    }
  }
}
