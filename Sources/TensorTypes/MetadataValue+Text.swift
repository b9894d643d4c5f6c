extension MetadataValue {
  /// The type as dump tools write it.
  package var typeText: String {
    if case .array(let array) = self {
      "arr[\(array.elementTypeText),\(array.count)]"
    } else {
      element?.shortText ?? ""
    }
  }

  /// The type in words, such as "a u32" or "an array of 3 i32", for messages about types.
  package var phrase: String {
    switch self {
    case .rawString: "a string that is not UTF-8"
    case .array(let array): "an array of \(array.count) \(array.element.rawValue)"
    default: element?.phrase ?? "a value"
    }
  }

  /// The value as messages show it: texts in quotes, lists with their length and type, all of them cut.
  package var summary: String {
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
  package var typedSummary: String {
    switch self {
    case .string, .rawString, .array: summary
    default: "\(typeText) \(summary)"
    }
  }

  /// The value as text, arrays and long strings cut unless `whole`.
  package func text(whole: Bool) -> String {
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
  package var elementTypeText: String { element.shortText }

  /// The elements as text, the first few of them unless `whole`.
  package func text(whole: Bool) -> String {
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
