internal import FileBytes
package import HubAccess

/// A model as users name it on a command line.
package enum ModelArgument {
  /// The file or folder that is meant: what is there under this name, else the snapshot of `org/name[@revision]` in the
  /// cache of the Hugging Face Hub's clients, which is said on standard error.
  ///
  /// A name that is neither comes back as it is, to be refused by what opens it.
  ///
  /// - Parameters:
  ///   - text: A path, or a name on the hub.
  ///   - needsWeights: Whether a snapshot without all its weights is refused.
  ///   - isQuiet: Whether nothing is said.
  /// - Returns: A path.
  /// - Throws: `FileError` for a revision that the cache does not have, and for a part of a model.
  package static func path(of text: String, needsWeights: Bool = true, isQuiet: Bool = false) throws -> String
  {
    guard FileSystem.kind(of: text) == .missing, let name = HubName(text),
      let snapshot = try HubCache()?.snapshot(of: name)
    else { return text }
    if needsWeights { try HubCache.requireWeights(snapshot, of: name) }
    if !isQuiet { Standard.error("\(name) is commit \(snapshot.commit), in \(snapshot.folder)") }
    return snapshot.folder
  }

  /// Finds a model on this machine, in the cache or on the hub; what is read from where is said on standard error.
  ///
  /// - Parameters:
  ///   - text: A path, or a name on the hub.
  ///   - flags: How a model on the hub is read; `nil` for by ranges, its hashes being believed.
  ///   - showsProgress: Whether a bar shows how far fetching and hashing are.
  ///   - isQuiet: Whether nothing is said.
  /// - Returns: The model, to be closed after its last use.
  /// - Throws: `HubError`, `FileError`.
  package static func open(
    _ text: String, _ flags: HubFlags? = nil, showsProgress: Bool = false, isQuiet: Bool = false
  ) throws -> HubArgument {
    Interrupt.watch()
    let bar = ProgressBar(isEnabled: showsProgress)
    defer { bar.clear() }
    var wishes = HubArgument.Wishes()
    wishes.keeps = flags?.keeps ?? false
    wishes.verifies = flags?.verifies ?? false
    wishes.isCancelled = { Interrupt.isRequested }
    wishes.onNotice = { if !isQuiet { Standard.error($0) } }
    wishes.onProgress = { bar.update(phase: $0, done: $1, total: $2, alreadyDone: 0) }
    return try HubArgument(text, wishes)
  }
}
