/// What is wrong, in the user's terms: the five parts of every error message.
public struct Fault: Hashable, Sendable {
  /// The file, by the name the user knows it under; empty when no file is involved.
  public var file: String
  /// The tensor, key or flag in question; empty when it is the file as a whole.
  public var subject: String
  /// What had to be there.
  public var expected: String
  /// What was there instead, with numbers.
  public var found: String
  /// All problems when there are several of one kind, one each; printed as a line each.
  public var problems: [String]
  /// What the user can do; empty when there is nothing.
  public var remedy: String

  /// Creates a fault.
  public init(
    file: String = "", subject: String = "", expected: String, found: String, problems: [String] = [],
    remedy: String = ""
  ) {
    self.file = file
    self.subject = subject
    self.expected = expected
    self.found = found
    self.problems = problems
    self.remedy = remedy
  }
}

extension Fault: CustomStringConvertible {
  /// One line: `file: subject: expected …, found … (remedy)`, problems after the word found.
  public var description: String {
    headline + (problems.isEmpty ? "" : ": " + problems.joined(separator: "; "))
      + (remedy.isEmpty ? "" : " (\(remedy))")
  }

  /// The message in lines: one, or a first line, one for each problem, and one for the remedy.
  public var lines: [String] {
    guard !problems.isEmpty else { return [description] }
    return [headline + ":"] + problems.map { "  " + $0 } + (remedy.isEmpty ? [] : ["  (\(remedy))"])
  }

  private var headline: String {
    var line = ""
    if !file.isEmpty { line += file + ": " }
    if !subject.isEmpty { line += subject + ": " }
    return line + "expected \(expected), found \(found)"
  }
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
  /// The fault as one line.
  public var description: String { fault.description }
}
