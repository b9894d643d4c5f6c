internal import FileBytes
internal import Foundation

/// A JSON value of a small document such as `config.json`.
///
/// Whole numbers that fit are ``integer(_:)`` even when written with a fraction of zero.
/// Object keys are Swift strings, so two keys that differ only in Unicode normalisation
/// are one key here; vocabularies are therefore read by ``TokenizerFile`` instead.
public enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// Parses a document as Python's `json` module reads it.
  ///
  /// `NaN`, `Infinity` and `-Infinity` are numbers, and of two equal keys the last one counts: checkpoints are written
  /// by Python, and their own programs read them so.
  ///
  /// - Parameters:
  ///   - bytes: The document, UTF-8, with or without a byte order mark.
  ///   - file: The name that errors give.
  /// - Throws: ``TokenizerError`` with `malformedJSON`.
  public init(parsing bytes: [UInt8], file: String) throws {
    self = try TokenizerError.translating {
      try bytes.withUnsafeBytes { buffer in
        var scanner = JSONScanner(buffer, file: file)
        let value = try scanner.value()
        try scanner.finish()
        return value
      }
    }
  }

  /// Reads and parses a file of at most `limit` bytes.
  ///
  /// - Throws: `FileError` when it cannot be read, ``TokenizerError`` with `tooLarge` or `malformedJSON`.
  public init(contentsOf path: String, limit: Int = 64 << 20) throws {
    try self.init(parsing: try readWholeFile(path, limit: limit), file: path)
  }
}

extension JSONScanner {
  /// Takes any value.
  mutating func value() throws -> JSONValue { try value(depth: 0) }

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

extension JSONValue {
  /// The member `key`; `nil` when this is no object, the key is absent or its value is `null`.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self, let value = members[key], value != .null else { return nil }
    return value
  }

  /// True when this is an object that has `key`, even with the value `null`.
  public func hasKey(_ key: String) -> Bool {
    if case .object(let members) = self { members[key] != nil } else { false }
  }

  /// The members of an object, `nil` for anything else.
  public var members: [String: JSONValue]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// The elements of an array, `nil` for anything else.
  public var elements: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The text of a string, `nil` for anything else.
  public var text: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The value of a whole number, `nil` for anything else.
  public var integer: Int? {
    if case .integer(let value) = self { value } else { nil }
  }

  /// The value of any number, `nil` for anything else.
  public var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The value of a Boolean, `nil` for anything else.
  public var flag: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// A short description for error messages, such as `the string "x"` or `an array of 3`.
  public var summary: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value):
      // As Python writes them, so that they are found in the file.
      value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : "\(value)"
    case .string(let text): "the string \"\(text.prefix(60))\""
    case .array(let elements): "an array of \(elements.count)"
    case .object(let members): "an object with \(members.count) keys"
    }
  }
}

/// Reads a whole file into memory, if it has at most `limit` bytes.
///
/// - Throws: `FileError` when it cannot be read, ``TokenizerError`` with `tooLarge`.
public func readWholeFile(_ path: String, limit: Int) throws -> [UInt8] {
  let file = try ReadableFile(path: path)
  guard file.byteCount <= limit else {
    throw TokenizerError(
      .tooLarge, Fault(file: path, expected: "at most \(limit) bytes", found: "\(file.byteCount) bytes"))
  }
  return try file.bytes(at: 0, count: file.byteCount)
}

/// True when `path` names a regular file or a link to one.
public func fileExists(_ path: String) -> Bool {
  var isFolder: ObjCBool = false
  return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
}
