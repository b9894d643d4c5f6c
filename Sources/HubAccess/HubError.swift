package import FileBytes

/// What can go wrong between here and a hub.
package enum HubErrorCode: FaultCode {
  /// The network is needed, and the environment forbids it.
  case offline
  /// There is no such repository, or none that this user may see.
  case noRepository
  /// There is no such revision of the repository.
  case noRevision
  /// There is no such file in the revision.
  case noFile
  /// The licence has to be accepted first.
  case gated
  /// The hub does not accept the token.
  case unauthorized
  /// The hub cannot be reached, or does not answer in time, after all attempts.
  case unreachable
  /// An answer that the protocol does not allow.
  case badAnswer
  /// A file is not the one any more that the commit has.
  case changed
  /// More bytes than anything of its kind has.
  case tooLarge
  /// The content does not have the hash that the hub states.
  case wrongHash
  /// Variables of the environment that make no sense.
  case badSetting
  /// The library for the network is not on this machine.
  case noLibrary
  /// The user interrupted the run.
  case interrupted

  /// Maps the kind to an exit code class.
  ///
  /// What the hub refuses is refused input; what goes wrong on the way, or in the middle, may go right the next time.
  package var faultClass: FaultClass {
    switch self {
    case .offline, .noRepository, .noRevision, .noFile, .gated, .unauthorized, .tooLarge: .rejected
    case .badSetting: .usage
    case .unreachable, .badAnswer, .changed, .wrongHash, .noLibrary, .interrupted: .failed
    }
  }
}

/// What can go wrong between here and a hub.
package typealias HubError = CodedError<HubErrorCode>
