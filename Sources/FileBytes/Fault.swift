/// What is wrong, in the user's terms: the five parts of every error message.
public struct Fault: Hashable, Sendable {
  /// The file, by the name the user knows it under; empty when no file is involved.
  public var file: String
  /// The tensor, key or setting in question; empty when it is the file as a whole.
  public var subject: Wording
  /// What had to be there.
  public var expected: Wording
  /// What was there instead, with numbers.
  public var found: Wording
  /// All problems when there are several of one kind, one each; printed as a line each.
  public var problems: [Wording]
  /// What the user can do; empty when there is nothing.
  public var remedy: Wording

  /// Creates a fault.
  public init(
    file: String = "", subject: Wording = "", expected: Wording, found: Wording, problems: [Wording] = [],
    remedy: Wording = ""
  ) {
    self.file = file
    self.subject = subject
    self.expected = expected
    self.found = found
    self.problems = problems
    self.remedy = remedy
  }

  /// Creates a fault that names no settings, of texts that are strings already.
  ///
  /// Generic and disfavored so that literals, which may name settings, are wordings.
  @_disfavoredOverload
  public init<Text: StringProtocol>(
    file: String = "", subject: Text = "", expected: Text, found: Text, problems: [Text] = [],
    remedy: Text = ""
  ) {
    self.init(
      file: file, subject: Wording(String(subject)), expected: Wording(String(expected)),
      found: Wording(String(found)), problems: problems.map { Wording(String($0)) },
      remedy: Wording(String(remedy)))
  }

  /// The same fault with other words for settings.
  ///
  /// - Parameter words: What to write for a setting, such as the flag of a command.
  /// - Returns: A fault that names no settings any more.
  public func worded(by words: (Setting) -> String) -> Fault {
    Fault(
      file: file, subject: subject.worded(by: words), expected: expected.worded(by: words),
      found: found.worded(by: words), problems: problems.map { $0.worded(by: words) },
      remedy: remedy.worded(by: words))
  }
}

extension Fault: CustomStringConvertible {
  /// The message as one line, in the library's words.
  public var description: String { line.description }

  /// One line: `file: subject: expected …, found … (remedy)`, problems after the word found.
  package var line: Wording {
    headline + (problems.isEmpty ? "" : ": " + problems.joined(separator: "; ")) + shownRemedy
  }

  /// The message in lines: one, or a first line, one for each problem, and one for the remedy.
  public var lines: [Wording] {
    guard !problems.isEmpty else { return [line] }
    return [headline + ":"] + problems.map { "  " + $0 } + (remedy.isEmpty ? [] : [" " + shownRemedy])
  }

  private var headline: Wording {
    var line = Wording("")
    if !file.isEmpty { line += "\(file): " }
    if !subject.isEmpty { line += subject + ": " }
    return line + "expected \(expected), found \(found)"
  }

  private var shownRemedy: Wording { remedy.isEmpty ? "" : " (\(remedy))" }
}

/// The classes of failure that commands turn into exit codes.
public enum FaultClass: Int32, Hashable, Sendable {
  /// Something failed while working: I/O, disk full, out of memory (exit code 1).
  case failed = 1
  /// The command line is wrong (exit code 2).
  case usage = 2
  /// The input is invalid or not supported (exit code 3).
  case rejected = 3
  /// Accepted by default, refused under `--strict` (exit code 4).
  case strict = 4
}

/// An error that carries a ``Fault``; nearly all are a ``CodedError`` with the codes of a module.
public protocol FaultError: Error, CustomStringConvertible, Sendable {
  /// The five parts of the message.
  var fault: Fault { get }
  /// Which exit code it leads to.
  var faultClass: FaultClass { get }
}

extension FaultError {
  /// The fault as one line, in the library's words.
  public var description: String { fault.description }
}
