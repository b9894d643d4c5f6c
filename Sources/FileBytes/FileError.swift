/// What kind of failure it was.
public enum FileErrorCode: FaultCode {
  case notFound
  /// A folder, pipe or device where a file should be.
  case notAFile
  case cannotOpen
  case cannotRead
  case cannotWrite
  case diskFull
  case truncated
  /// More bytes than any file of its kind has.
  case tooLarge
  case alreadyExists
  /// No folder, or none that can be written to, for an output.
  case noPlace
  /// A Git LFS pointer where its content should be.
  case lfsPointer
  /// A folder or file that is no model, or not the kind of model that is wanted.
  case notAModel

  /// The exit code's class.
  ///
  /// A missing or short source, or a bad place for an output, is refused before any work; everything else failed while
  /// working.
  public var faultClass: FaultClass {
    switch self {
    case .notFound, .notAFile, .truncated, .tooLarge, .lfsPointer, .notAModel: .rejected
    case .alreadyExists, .noPlace: .rejected
    case .cannotOpen, .cannotRead, .cannotWrite, .diskFull: .failed
    }
  }
}

/// An operating-system failure on a file.
public typealias FileError = CodedError<FileErrorCode>
