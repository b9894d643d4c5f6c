/// Why a run cannot go on from a log.
package enum ResumeLogErrorCode: FaultCode {
  /// Another run holds the lock.
  case inUse
  /// The log of another job.
  case otherJob
  /// A log whose head is damaged, or a record that makes no sense.
  case damaged
  /// Something else than a log, or one of another version of Pouch.
  case notALog

  /// A run that is still going on is no fault of the input.
  package var faultClass: FaultClass { self == .inUse ? .failed : .rejected }
}

/// Why a run cannot go on from a log; see ``ResumeLog``.
package typealias ResumeLogError = CodedError<ResumeLogErrorCode>

/// How messages speak of a log.
package struct ResumeLogWords: Hashable, Sendable {
  /// What the log is called, such as `journal`.
  package var name: String
  /// How the user starts over, such as `remove the file to start over`.
  package var startOver: Wording

  /// Describes a log.
  package init(name: String, startOver: Wording) {
    self.name = name
    self.startOver = startOver
  }

  func inUse(_ path: String, _ owner: String? = nil) -> ResumeLogError {
    ResumeLogError(
      .inUse,
      Fault(
        file: path, expected: "no other run with this \(name)",
        found: "a run that is still going on" + (owner.map { ": \($0)" } ?? ""),
        remedy: "wait for it, or stop it first"))
  }

  func otherJob(_ path: String, _ differences: [Wording]) -> ResumeLogError {
    ResumeLogError(
      .otherJob,
      Fault(
        file: path, expected: "the \(name) of this very run",
        found: "that of another run: \(differences.joined(separator: "; ")) changed",
        remedy: "repeat the earlier command to go on with it, or \(startOver)"))
  }

  func damaged(_ path: String, _ found: String) -> ResumeLogError {
    ResumeLogError(
      .damaged, Fault(file: path, expected: "a whole \(name)", found: "\(found)", remedy: startOver))
  }

  func notALog(_ path: String, _ found: String) -> ResumeLogError {
    ResumeLogError(
      .notALog,
      Fault(file: path, expected: "a \(name) of this version of Pouch", found: "\(found)", remedy: startOver))
  }
}
