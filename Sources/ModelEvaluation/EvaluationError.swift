public import FileBytes

/// The kinds of failure.
public enum EvaluationErrorCode: FaultCode {
  case emptyText
  /// Fewer tokens than two windows.
  case textTooShort
  /// A window that leaves nothing to score, or more than the tokens that are left.
  case badWindow
  /// A tokenizer that ends every text with a token of its own.
  case addsEndOfText
  /// Not a file of base probabilities.
  case notABaseFile
  /// A base file that ends too early.
  case truncatedBase
  /// A base file whose content makes no sense.
  case damagedBase
  /// Two models, or a model and a file, with vocabularies of different sizes.
  case vocabularyMismatch
  /// Two models that see different tokens in one text.
  case tokenizerMismatch
  /// A NaN or an infinity.
  case nonFinite
  /// Importance data that does not fit what is collected now.
  case importanceMismatch
  /// Experts that saw fewer tokens than demanded.
  case thinExperts
  /// A text that is not UTF-8.
  case invalidText
  /// Windows longer than the context the model was made for.
  case contextTooLong
  /// A state file, or a half-written base file, that cannot be gone on from.
  case damagedState
  /// A base file that another run is writing.
  case inUse
  /// A file of prompts that cannot be read.
  case badPrompts
  /// A limit of memory that is too small for anything, or larger than what there is.
  case memoryLimit
  /// Windows or answers of other parts that are not there.
  case partsMissing
  /// States that are no parts of one run.
  case partsMismatch
  /// Answers from elsewhere that are not answers to the questions of this run.
  case answersMismatch

  /// Thin experts are a matter of strictness; values that are not finite and a run in the way are failures; the rest is
  /// rejected input.
  public var faultClass: FaultClass {
    switch self {
    case .thinExperts: .strict
    case .nonFinite, .inUse, .partsMissing: .failed
    default: .rejected
    }
  }
}

/// Why a measurement cannot be made.
public typealias EvaluationError = CodedError<EvaluationErrorCode>
