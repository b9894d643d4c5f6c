extension JSONScanner {
  /// Takes any value; of equal keys of an object the last one counts.
  ///
  /// - Throws: ``JSONError``; `nestingTooDeep` for more than ``nestingLimit`` levels.
  package mutating func value() throws -> JSONValue { try value(depth: 0) }

  private mutating func value(depth: Int) throws -> JSONValue {
    guard depth < nestingLimit else {
      throw failure(.nestingTooDeep, expected: "at most \(nestingLimit) levels of nesting")
    }
    switch try peek() {
    case UInt8(ascii: "{"):
      var members: [String: JSONValue] = [:]
      try forEachMember { key, scanner in members[key] = try scanner.value(depth: depth + 1) }
      return .object(members)
    case UInt8(ascii: "["):
      var elements: [JSONValue] = []
      try forEachElement { scanner in elements.append(try scanner.value(depth: depth + 1)) }
      return .array(elements)
    case UInt8(ascii: "\""):
      return .string(try string())
    case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
      let range = try skipValue()
      switch range.count {
      case 4 where bytes[range.lowerBound] == UInt8(ascii: "t"): return .bool(true)
      case 5: return .bool(false)
      default: return .null
      }
    default:
      switch try number() {
      case .integer(let whole): return .integer(whole)
      case .floatingPoint(let number): return Int(exactly: number).map { .integer($0) } ?? .number(number)
      }
    }
  }
}
