package import FileBytes

/// What is wrong with what a card is to be made of.
package enum CardErrorCode: FaultCode {
  /// A folder that MLX does not load.
  case notQuantized
  /// A file, or a checkpoint, of another model than the first file.
  case otherModel
  /// The same file twice.
  case givenTwice
  /// A document that is no result, or none of a kind that a card shows.
  case badResult
  /// A result of a part, or of a run that was interrupted.
  case unfinishedResult
  /// A result of another file than those of the card.
  case otherFile
  /// Results that were not measured alike, so that their numbers do not compare.
  case otherMeasurement
  /// A base model that is no name on the Hub.
  case badBaseModel
  /// An output that is one of the inputs.
  case isInput
  /// An output that is no Markdown.
  case notMarkdown
  /// A folder for MLX without weights, configuration or tokenizer.
  case incompleteFolder
  /// Two files of one name.
  case sameName
  /// A name that has no place in a list of checksums.
  case badName
  /// A vision tower without a language model.
  case visionTower
  /// The user stopped it.
  case interrupted

  /// Rejected input, but for the command line and interruptions.
  package var faultClass: FaultClass {
    switch self {
    case .badBaseModel: .usage
    case .interrupted: .failed
    default: .rejected
    }
  }
}

/// An error of making a card.
package typealias CardError = CodedError<CardErrorCode>
