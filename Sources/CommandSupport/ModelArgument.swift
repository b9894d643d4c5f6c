internal import FileBytes

/// A model as users name it on a command line.
public enum ModelArgument {
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
  public static func path(of text: String, needsWeights: Bool = true, isQuiet: Bool = false) throws -> String
  {
    guard FileSystem.kind(of: text) == .missing, let name = HubName(text),
      let snapshot = try HubCache()?.snapshot(of: name)
    else { return text }
    if needsWeights { try HubCache.requireWeights(snapshot, of: name) }
    if !isQuiet { Standard.error("\(name) is commit \(snapshot.commit), in \(snapshot.folder)") }
    return snapshot.folder
  }
}
