/// A JSON value of a small document such as `config.json`.
///
/// Whole numbers that fit are ``integer(_:)`` even when written with a fraction of zero.
/// Object keys are Swift strings, so two keys that differ only in Unicode normalisation
/// are one key here; vocabularies are therefore visited with a ``JSONScanner`` instead.
package enum JSONValue: Hashable, Sendable {
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
  ///   - dialect: Which texts are accepted.
  /// - Throws: ``JSONError``.
  package init(parsing bytes: [UInt8], file: String, dialect: JSONScanner.Dialect = .python) throws {
    self = try bytes.withUnsafeBytes { buffer in
      var scanner = JSONScanner(buffer, file: file, dialect: dialect)
      let value = try scanner.value()
      try scanner.finish()
      return value
    }
  }

  /// Reads and parses a file of at most `limit` bytes.
  ///
  /// - Throws: ``FileError`` when it cannot be read or is larger, ``JSONError``.
  package init(contentsOf path: String, limit: Int = 64 << 20) throws {
    try self.init(parsing: try ReadableFile.contents(of: path, limit: limit), file: path)
  }
}

extension JSONValue {
  /// The member `key`; `nil` when this is no object, the key is absent or its value is `null`.
  package subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self, let value = members[key], value != .null else { return nil }
    return value
  }

  /// True when this is an object that has `key`, even with the value `null`.
  package func hasKey(_ key: String) -> Bool {
    if case .object(let members) = self { members[key] != nil } else { false }
  }

  /// The members of an object, `nil` for anything else.
  package var members: [String: JSONValue]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// The elements of an array, `nil` for anything else.
  package var elements: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The text of a string, `nil` for anything else.
  package var text: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The value of a whole number, `nil` for anything else.
  package var integer: Int? {
    if case .integer(let value) = self { value } else { nil }
  }

  /// The value of any number, `nil` for anything else.
  package var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The value of a Boolean, `nil` for anything else.
  package var flag: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// A short description for error messages, such as `the string "x"` or `an array of 3`.
  package var summary: String {
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
