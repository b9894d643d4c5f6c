internal import Foundation

/// The cache that the clients of the Hugging Face Hub share, as its documentation lays it out.
///
/// ```
/// models--org--name/refs/main                     a commit
/// models--org--name/snapshots/<commit>/<path>     a link to ../../blobs/<hash>, or a copy
/// ```
package struct HubCache: Sendable {
  /// A commit of a model in the cache.
  package struct Snapshot: Hashable, Sendable {
    /// The commit, 40 hexadecimal digits.
    package var commit: String
    /// Where its files are.
    package var folder: String
  }

  /// The folder with one folder per model.
  package let folder: String

  /// A cache in a folder, which need not exist.
  package init(folder: String) { self.folder = folder }

  /// The cache of this user, where the environment says it is; `nil` without a home.
  ///
  /// - Parameter environment: Variables; those of this process when `nil`.
  package init?(environment: [String: String]? = nil) {
    let environment = environment ?? ProcessInfo.processInfo.environment
    let place = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"].lazy.compactMap { Self.place($0, environment) }
      .first
    guard let place = place ?? Self.home(environment: environment).map({ $0 + "/hub" }) else { return nil }
    self.init(folder: place)
  }

  /// The folder in which the hub's programs keep the cache and the token; `nil` without a home.
  package static func home(environment: [String: String]) -> String? {
    place("HF_HOME", environment) ?? place("XDG_CACHE_HOME", environment).map { $0 + "/huggingface" }
      ?? place("HOME", environment).map { $0 + "/.cache/huggingface" }
  }

  /// A folder that a variable names, `~/` in it resolved; `nil` when it is not set.
  private static func place(_ name: String, _ environment: [String: String]) -> String? {
    guard let place = environment[name], !place.isEmpty else { return nil }
    return place.hasPrefix("~/") ? (environment["HOME"] ?? "~") + place.dropFirst() : place
  }

  private func folder(of repository: String) -> String {
    folder + "/models--" + repository.replacing("/", with: "--")
  }

  /// The snapshot of a name.
  ///
  /// - Returns: `nil` when the cache has no snapshot of this model at all.
  /// - Throws: ``FileError`` with `notFound` when it has others of this model, naming them.
  package func snapshot(of name: HubName) throws -> Snapshot? {
    let place = folder(of: name.repository)
    let snapshots = FileSystem.contents(of: place + "/snapshots").sorted().filter {
      FileSystem.kind(of: "\(place)/snapshots/\($0)") == .folder
    }
    guard !snapshots.isEmpty else { return nil }
    let commit = Self.commit(inFile: "\(place)/refs/\(name.revision)") ?? name.revision
    if snapshots.contains(commit) {
      return Snapshot(commit: commit, folder: "\(place)/snapshots/\(commit)")
    }
    let branches = FileSystem.contents(of: place + "/refs").sorted().compactMap { branch in
      Self.commit(inFile: "\(place)/refs/\(branch)").map { "\(branch) (\($0))" }
    }
    throw FileError(
      .notFound,
      Fault(
        file: "\(name)", expected: "a revision that is in the cache \(folder)",
        found: (["commits \(snapshots.joined(separator: ", "))"] + branches).joined(separator: "; "),
        remedy: "name one of these after @, or fetch it with: \(name.fetchCommand)"))
  }

  /// The snapshot of a model's folder in a cache: that of `main`, else the only one; `nil` without one.
  static func snapshot(inFolder folder: String) -> String? {
    let snapshots = folder + "/snapshots"
    if let commit = commit(inFile: folder + "/refs/main"),
      FileSystem.kind(of: snapshots + "/" + commit) == .folder
    {
      return snapshots + "/" + commit
    }
    let names = FileSystem.contents(of: snapshots).filter {
      FileSystem.kind(of: snapshots + "/" + $0) == .folder
    }
    return names.count == 1 ? snapshots + "/" + names[0] : nil
  }

  private static func commit(inFile path: String) -> String? {
    guard let file = try? ReadableFile(path: path), file.byteCount < 256,
      let bytes = try? file.bytes(at: 0, count: file.byteCount)
    else { return nil }
    let commit = String(decoding: bytes, as: UTF8.self).filter { $0.isLetter || $0.isNumber }
    return commit.isEmpty ? nil : commit
  }

  /// Refuses a snapshot of which only a part has been fetched.
  ///
  /// - Parameters:
  ///   - snapshot: The snapshot.
  ///   - name: What it was named, for the message.
  /// - Throws: ``FileError`` with `notAModel`, naming the weights that are missing.
  package static func requireWeights(_ snapshot: Snapshot, of name: HubName) throws {
    let wanted = Set(weightFiles(inIndex: snapshot.folder + "/model.safetensors.index.json"))
    let missing = wanted.filter { FileSystem.kind(of: "\(snapshot.folder)/\($0)") != .file }.sorted()
    guard !missing.isEmpty else { return }
    let some = missing.prefix(8).joined(separator: ", ")
    throw FileError(
      .notAModel,
      Fault(
        file: snapshot.folder, subject: "\(name)",
        expected: "all \(wanted.count) files of weights of its index",
        found: "a part of the model: \(some)" + (missing.count > 8 ? " and \(missing.count - 8) more" : "")
          + (missing.count == 1 ? " is" : " are") + " missing",
        remedy: "fetch the rest with: hf download \(name.repository) --revision \(snapshot.commit)"))
  }

  private static func weightFiles(inIndex path: String) -> [String] {
    guard let data = FileManager.default.contents(atPath: path),
      let index = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
      let map = index["weight_map"] as? [String: Any]
    else { return [] }
    return map.values.compactMap { $0 as? String }
  }
}
