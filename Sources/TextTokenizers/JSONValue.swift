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

  /// Parses a document.
  ///
  /// - Parameters:
  ///   - bytes: The document, UTF-8, with or without a byte order mark.
  ///   - file: The name that errors give.
  /// - Throws: ``TokenizerError`` with `malformedJSON`.
  public init(parsing bytes: [UInt8], file: String) throws {
    let body = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
    do {
      self = try JSONDecoder().decode(JSONValue.self, from: Data(body))
    } catch {
      throw TokenizerError(
        .malformedJSON,
        Fault(
          file: file, expected: "a JSON document", found: Self.reason(of: error),
          remedy: "the file may be incomplete; fetch it again"))
    }
  }

  /// Reads and parses a file of at most `limit` bytes.
  ///
  /// - Throws: `FileError` when it cannot be read, ``TokenizerError`` with `tooLarge` or `malformedJSON`.
  public init(contentsOf path: String, limit: Int = 64 << 20) throws {
    try self.init(parsing: try readWholeFile(path, limit: limit), file: path)
  }

  private static func reason(of error: any Error) -> String {
    guard let decoding = error as? DecodingError, case .dataCorrupted(let context) = decoding else {
      return "something else"
    }
    if let underlying = context.underlyingError as? CocoaError,
      let text = underlying.userInfo["NSDebugDescription"] as? String
    {
      return text
    }
    return context.debugDescription
  }
}

extension JSONValue: Decodable {
  /// Decodes any JSON value; throws what the decoder throws for text that is none.
  public init(from decoder: any Decoder) throws {
    if let keyed = try? decoder.container(keyedBy: AnyKey.self) {
      var members: [String: JSONValue] = [:]
      for key in keyed.allKeys { members[key.stringValue] = try keyed.decode(JSONValue.self, forKey: key) }
      self = .object(members)
      return
    }
    if var list = try? decoder.unkeyedContainer() {
      var elements: [JSONValue] = []
      while !list.isAtEnd { elements.append(try list.decode(JSONValue.self)) }
      self = .array(elements)
      return
    }
    let single = try decoder.singleValueContainer()
    if single.decodeNil() {
      self = .null
    } else if let flag = try? single.decode(Bool.self) {
      self = .bool(flag)
    } else if let text = try? single.decode(String.self) {
      self = .string(text)
    } else if let whole = try? single.decode(Int.self) {
      self = .integer(whole)
    } else {
      self = .number(try single.decode(Double.self))
    }
  }

  private struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
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
    case .number(let value): "\(value)"
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
