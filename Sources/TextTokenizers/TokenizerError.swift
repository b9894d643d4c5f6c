public import FileBytes

/// The kind of failure.
public enum TokenizerErrorCode: FaultCode {
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

/// What went wrong with a checkpoint's tokenizer files.
public typealias TokenizerError = CodedError<TokenizerErrorCode>

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
