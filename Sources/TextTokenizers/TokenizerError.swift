public import FileBytes

/// The kind of failure.
public enum TokenizerErrorCode: FaultCode {
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
