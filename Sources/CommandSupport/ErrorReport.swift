internal import FileBytes

/// An error as `--json` prints it, in place of a result.
struct ErrorReport: Encodable {
  struct Failure: Encodable {
    /// The exit code.
    var exitCode: Int32
    /// What the exit code stands for.
    var kind: String
    /// The whole message.
    var message: String
    /// The file in question.
    var file: String?
    /// The tensor, key or flag in question.
    var subject: String?
    /// What had to be there.
    var expected: String?
    /// What was there instead.
    var found: String?
    /// All problems, where there are several.
    var problems: [String]?
    /// What to do.
    var remedy: String?
  }

  /// What went wrong.
  var error: Failure

  /// An error with all its parts.
  init(_ fault: Fault, exitCode: Int32) {
    func filled(_ text: String) -> String? { text.isEmpty ? nil : text }
    error = Failure(
      exitCode: exitCode, kind: Self.kind(exitCode), message: fault.line.commandText,
      file: filled(fault.file),
      subject: filled(fault.subject.commandText), expected: fault.expected.commandText,
      found: fault.found.commandText,
      problems: fault.problems.isEmpty ? nil : fault.problems.map(\.commandText),
      remedy: filled(fault.remedy.commandText))
  }

  /// An error that is a sentence alone.
  init(message: String, exitCode: Int32) {
    error = Failure(exitCode: exitCode, kind: Self.kind(exitCode), message: message)
  }

  private static func kind(_ exitCode: Int32) -> String {
    switch exitCode {
    case 2: "usage"
    case 3: "rejected"
    case 4: "strict"
    case 130: "interrupted"
    default: "failed"
    }
  }
}
