public import FileBytes

/// What went wrong with a checkpoint's tokenizer files.
public struct TokenizerError: FaultError, Hashable {
  /// The kind of failure.
  public enum Code: Hashable, Sendable {
    /// The file is not JSON, or not the JSON that the format prescribes.
    case malformedJSON
    /// A file is larger than any real one.
    case tooLarge
    /// A SentencePiece model whose protobuf encoding is broken.
    case malformedModel
    /// A key that must be there is missing.
    case missing
    /// A value of the wrong type or out of range.
    case invalidValue
    /// No tokenizer file that can be read was found.
    case noTokenizer
    /// A tokenizer of a kind that is not supported yet.
    case notSupported
    /// The splitting rule before byte-pair encoding has no known name.
    case unknownPreTokenizer
  }

  /// The kind, for comparison in code and tests.
  public var code: Code
  /// The message.
  public var fault: Fault

  /// Creates an error.
  public init(_ code: Code, _ fault: Fault) {
    self.code = code
    self.fault = fault
  }

  /// All of them are the input's fault.
  public var faultClass: FaultClass { .rejected }
}

extension TokenizerError {
  /// Runs `body` with errors of the JSON scanner in this module's terms.
  static func translating<Value>(_ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as JSONError {
      throw TokenizerError(.malformedJSON, error.fault)
    }
  }
}
