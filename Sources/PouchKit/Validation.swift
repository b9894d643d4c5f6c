internal import FileBytes
public import OutputValidation

/// Checks a GGUF file: structure, metadata, tensors, blocks and mix, and every weight against the model that it was made of.
public struct Validation: Sendable {
  /// The file.
  public let file: GGUFModel
  /// What is checked, and how.
  public var options: ValidationOptions

  /// A validation of a file.
  ///
  /// - Parameters:
  ///   - file: The file.
  ///   - source: The model that it was made of; `nil` to check the file alone.
  ///   - importanceMatrix: The importance matrix that it was made with; `nil` without one.
  ///   - threads: Threads; `nil` for all cores.
  public init(
    of file: GGUFModel, against source: (any ModelOnDisk)? = nil, importanceMatrix: String? = nil,
    threads: Int? = nil
  ) {
    self.file = file
    options = ValidationOptions(threadCount: threads ?? Processor.threadCount)
    options.source = source?.path
    options.importancePath = importanceMatrix
  }

  /// Makes all checks.
  ///
  /// - Returns: What was found. What is wrong with the file is among the findings, and not thrown.
  /// - Throws: `FileError` when the file cannot be read, errors of the source; `ValidationError` with `interrupted` when
  ///   cancelled.
  public func run() throws -> ValidationReport {
    try Validator(path: file.path, options: options).run()
  }
}
