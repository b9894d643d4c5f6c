internal import FileBytes

/// The members of an object in a file of prompts, with its place for messages.
///
/// An absent member and one with the value `null` are the same; members that no one asks for are left alone.
struct PromptFields {
  private let object: JSONValue
  private let file: String
  private let line: Int
  /// Where the object stands within the line, such as `assertions 2, of`; empty for the line itself.
  private let place: String

  /// Parses a line.
  ///
  /// - Parameters:
  ///   - bytes: The line.
  ///   - file: The file.
  ///   - line: The line's number, from 1.
  /// - Throws: ``EvaluationError`` with `badPrompts`.
  init(parsing bytes: [UInt8], file: String, line: Int) throws {
    do {
      let value = try JSONValue(parsing: bytes, file: file, dialect: .strict)
      try self.init(value, file: file, line: line, place: "")
    } catch let error as JSONError {
      throw Self.refusal(
        file, line, expected: error.fault.expected.description, found: error.fault.found.description)
    }
  }

  private init(_ value: JSONValue, file: String, line: Int, place: String) throws {
    (object, self.file, self.line, self.place) = (value, file, line, place)
    guard value.members != nil else {
      let found = (place.isEmpty ? "" : place + ": ") + value.summary
      throw refusal(expected: place.isEmpty ? "an object with a prompt" : "an object", found: found)
    }
  }

  /// An error about the line.
  func refusal(expected: String, found: String) -> EvaluationError {
    Self.refusal(file, line, expected: expected, found: found)
  }

  private static func refusal(_ file: String, _ line: Int, expected: String, found: String) -> EvaluationError
  {
    EvaluationError(
      .badPrompts, Fault(file: file, subject: "line \(line)", expected: expected, found: found))
  }

  /// An error about the value of a member.
  func refusal(_ key: String, expected: String) -> EvaluationError {
    refusal(expected: expected, found: "\(path(key)): \(object[key]?.summary ?? "none")")
  }

  private func path(_ key: String) -> String { place.isEmpty ? key : "\(place), \(key)" }

  private func value<Value>(_ key: String, _ what: String, _ convert: (JSONValue) -> Value?) throws -> Value?
  {
    guard let value = object[key] else { return nil }
    guard let converted = convert(value) else { throw refusal(key, expected: what) }
    return converted
  }

  /// A text.
  func text(_ key: String) throws -> String? { try value(key, "a text", \.text) }

  /// A whole number.
  func integer(_ key: String) throws -> Int? { try value(key, "a whole number", \.integer) }

  /// A number.
  func number(_ key: String) throws -> Double? { try value(key, "a number", Self.finite) }

  /// Texts.
  func texts(_ key: String) throws -> [String]? {
    try value(key, "a list of texts") { Self.all($0.elements, \.text) }
  }

  /// Numbers.
  func numbers(_ key: String) throws -> [Double]? {
    try value(key, "a list of numbers") { Self.all($0.elements, Self.finite) }
  }

  private static func finite(_ value: JSONValue) -> Double? {
    value.double.flatMap { $0.isFinite ? $0 : nil }
  }

  /// All elements converted, or `nil` when one cannot be.
  private static func all<Value>(_ elements: [JSONValue]?, _ convert: (JSONValue) -> Value?) -> [Value]? {
    guard let elements else { return nil }
    let values = elements.compactMap(convert)
    return values.count == elements.count ? values : nil
  }

  /// An object.
  func object(_ key: String) throws -> PromptFields? {
    try object[key].map { try PromptFields($0, file: file, line: line, place: path(key)) }
  }

  /// Objects.
  func objects(_ key: String) throws -> [PromptFields]? {
    try value(key, "a list of objects", \.elements)?.enumerated().map { index, value in
      try PromptFields(value, file: file, line: line, place: "\(path(key)) \(index + 1)")
    }
  }
}
