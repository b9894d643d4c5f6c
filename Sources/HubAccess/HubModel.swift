internal import Crypto
package import FileBytes
internal import Foundation

/// A model on a hub, opened as a folder: small files are fetched, weights are read by range where they lie.
///
/// The folder is a temporary one, named as a snapshot in a hub's cache is, so that everything that is derived from a
/// folder's name comes out as for the model in the cache. What the cache of this machine holds already is used from
/// there. Files of weights are empty files at which the remote content is mounted (``RemoteFiles``).
package final class HubModel: Sendable {
  /// The name as given.
  package let name: HubName
  /// The commit that is read.
  package let commit: String
  /// What reports call it.
  package var title: String { "\(name.repository)@\(commit)" }
  /// The folder.
  package let folder: String
  /// Bytes of the model's files that are read over the network when they are needed.
  package let remoteByteCount: Int
  /// Files that the cache had.
  package let cachedFileCount: Int
  private let root: String
  private let client: HubClient
  private let files: [HubFile]

  /// The most bytes of one small file, and of all of them.
  private static let smallFileByteLimit = 256 << 20
  private static let smallFilesByteLimit = 1 << 30
  private static let smallEndings = [".json", ".jinja", ".txt", ".model", ".tiktoken"]

  /// Pins the commit, lists its files, and fetches the small ones and the headers of the weights.
  ///
  /// - Parameters:
  ///   - name: The model.
  ///   - cache: The cache of this machine; `nil` without one.
  ///   - settings: How the hub is reached.
  ///   - isCancelled: Asked a few times a second.
  /// - Throws: ``HubError``, `FileError` when the temporary folder cannot be written.
  package convenience init(
    _ name: HubName, cache: HubCache?, settings: HubSettings, isCancelled: @escaping @Sendable () -> Bool
  ) throws {
    let client = HubClient(settings, isCancelled: isCancelled)
    do {
      let tree = try HubTree(name, client)
      try self.init(name, tree, cache: cache, client: client)
    } catch {
      client.close()
      throw error
    }
  }

  private init(_ name: HubName, _ tree: HubTree, cache: HubCache?, client: HubClient) throws {
    self.name = name
    self.client = client
    commit = tree.commit
    let entries = tree.entries.filter { Self.isUsable($0.path) }
    let weights = entries.filter { $0.path.hasSuffix(".safetensors") }
    let total = weights.reduce(0) { $0 &+ $1.byteCount }
    let fetcher = HubFetcher(totalByteCount: total, connectionCount: client.settings.connectionCount)
    root = try HubFolder.make()
    folder = "\(root)/models--\(name.repository.replacing("/", with: "--"))/snapshots/\(tree.commit)"
    var remote: [HubFile] = []
    var small: [HubFile] = []
    var cached = 0
    do {
      try HubFolder.create(folder + "/additional_chat_templates")
      RemoteFiles.entitle(folder, name.repository, long: "\(name.repository)@\(tree.commit)")
      for entry in entries {
        let path = folder + "/" + entry.path
        if let known = cache?.path(of: entry, repository: name.repository, commit: tree.commit) {
          try HubFolder.link(path, to: known)
          cached += 1
          continue
        }
        let file = HubFile(entry, of: name, commit: tree.commit, client: client, fetcher: fetcher)
        if file.isRanged {
          try HubFolder.write([], to: path)
          RemoteFiles.mount(file, at: path)
          remote.append(file)
        } else if Self.isSmall(entry.path) || entry.path.hasSuffix(".safetensors") {
          small.append(file)
        } else {
          // Only that it is there matters, to what is said of files that are not read.
          try HubFolder.write([], to: path)
        }
      }
      try Self.refuseGigantic(small, name)
      let (folder, heads, texts) = (folder, remote, small)
      try parallelForEach(
        count: heads.count + texts.count, threadCount: client.settings.connectionCount
      ) { (index: Int) throws(HubFailure) in
        do {
          if index < heads.count { return try heads[index].fetchHead() }
          let file = texts[index - heads.count]
          try HubFolder.write(try file.whole(), to: folder + "/" + file.entry.path)
        } catch {
          throw HubFailure(error: error)
        }
      }
    } catch {
      RemoteFiles.unmount(folder: root)
      HubFolder.remove(root)
      throw (error as? HubFailure)?.error ?? error
    }
    files = remote
    remoteByteCount = remote.reduce(0) { $0 + $1.byteCount }
    cachedFileCount = cached
  }

  deinit { close() }

  /// Unmounts the weights, removes the folder and closes the connections; more calls do nothing.
  package func close() {
    RemoteFiles.unmount(folder: root)
    HubFolder.remove(root)
    client.close()
  }

  /// Reads all weights that lie on the hub from front to back and compares their SHA-256 with the hub's.
  ///
  /// A pass of its own, since a conversion reads neither everything nor everything in order; the bytes travel twice.
  ///
  /// - Parameter onProgress: Called with the bytes done and those of all files.
  /// - Throws: ``HubError`` with `wrongHash`, naming all files whose bytes are others.
  package func verifyWeights(onProgress: (_ done: Int, _ total: Int) -> Void) throws {
    var done = 0
    var problems: [Wording] = []
    for file in files {
      let found = try file.sha256 {
        done += $0; onProgress(done, remoteByteCount)
      }
      if let stated = file.entry.sha256, stated != found {
        problems.append("\(file.entry.path): SHA-256 \(found), stated \(stated)")
      }
    }
    guard problems.isEmpty else {
      throw HubError(
        .wrongHash,
        Fault(
          file: "\(name)", subject: "\(.verifiesSource)", expected: "the content that the hub states",
          found: "other bytes in \(problems.count) file\(problems.count == 1 ? "" : "s")",
          problems: problems, remedy: "a mirror or proxy damages the files; check HF_ENDPOINT"))
    }
  }

  /// The files of a commit that a conversion and the programs beside it want: weights, configuration, tokenizer.
  static func wanted(_ tree: HubTree) -> [HubTree.Entry] {
    tree.entries.filter {
      isUsable($0.path) && ($0.path.hasSuffix(".safetensors") || isSmall($0.path))
    }
  }

  /// Files whose path is safe and that a model's folder has: those at the top, and templates.
  private static func isUsable(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.allSatisfy({ !$0.isEmpty && !$0.hasPrefix(".") && !$0.utf8.contains(0) }) else {
      return false
    }
    return parts.count == 1 || parts.count == 2 && parts[0] == "additional_chat_templates"
  }

  private static func isSmall(_ path: String) -> Bool {
    path == "README.md" || smallEndings.contains(where: path.hasSuffix)
  }

  private static func refuseGigantic(_ files: [HubFile], _ name: HubName) throws {
    let total = files.reduce(0) { $0 &+ $1.byteCount }
    let largest = files.max { $0.byteCount < $1.byteCount }
    guard let largest, largest.byteCount > smallFileByteLimit || total > smallFilesByteLimit else { return }
    throw HubError(
      .tooLarge,
      Fault(
        file: "\(name)", expected: "at most \(smallFilesByteLimit) bytes of configuration and tokenizer",
        found: "\(total), of which \(largest.entry.path) has \(largest.byteCount)"))
  }
}

/// An error with a type of its own, for loops that throw one type.
struct HubFailure: Error {
  var error: any Error
}

extension HubFile {
  /// Whether the file is one of weights that the hub keeps in its store for large files, which knows ranges.
  var isRanged: Bool { entry.sha256 != nil && entry.path.hasSuffix(".safetensors") }

  /// The whole content of a small file, compared with the hash that the hub states.
  ///
  /// - Throws: ``HubError``.
  func whole() throws -> [UInt8] {
    // Without a range: a hub need not know them for files that it keeps itself.
    let bytes = try client.document(address, limit: byteCount, subject: subject).bytes
    let found: String
    if entry.sha256 != nil {
      found = SHA256.hash(data: bytes).hexadecimal()
    } else {
      var hash = Insecure.SHA1()
      hash.update(data: Array("blob \(byteCount)\0".utf8))
      hash.update(data: bytes)
      found = hash.finalize().hexadecimal()
    }
    guard found == entry.tag else {
      throw HubError(
        .wrongHash,
        Fault(
          file: subject, expected: "hash \(entry.tag), as the hub states", found: found,
          remedy: "a mirror or proxy damages the file; check HF_ENDPOINT"))
    }
    return bytes
  }

  /// Reads the content from front to back over several connections.
  ///
  /// - Parameters:
  ///   - start: Where reading starts.
  ///   - take: Called with the bytes of each piece.
  /// - Throws: ``HubError``, and what `take` throws.
  func readThrough(from start: Int = 0, _ take: (UnsafeRawBufferPointer) throws -> Void) throws {
    let pieceByteCount = 1 << 20
    let pieces = stride(from: start, to: byteCount, by: pieceByteCount).map {
      $0..<min($0 + pieceByteCount, byteCount)
    }
    let ahead = readAhead(pieces.map { [RemoteRange(file: self, bytes: $0)] })
    defer { ahead.stop() }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceByteCount, alignment: 64)
    defer { buffer.deallocate() }
    for (step, piece) in pieces.enumerated() {
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<piece.count])
      try read(at: piece.lowerBound, into: part)
      ahead.finished(step)
      try take(UnsafeRawBufferPointer(part))
    }
  }

  /// The SHA-256 of the content.
  func sha256(onBytes: (Int) -> Void) throws -> String {
    var hash = SHA256()
    try readThrough {
      hash.update(bufferPointer: $0)
      onBytes($0.count)
    }
    return hash.finalize().hexadecimal()
  }
}

extension HubCache {
  /// Where a file of a commit is in the cache: in its snapshot, or among the blobs; `nil` when it is not, or not whole.
  func path(of entry: HubTree.Entry, repository: String, commit: String) -> String? {
    let place = folder + "/models--" + repository.replacing("/", with: "--")
    for path in ["\(place)/blobs/\(entry.tag)", "\(place)/snapshots/\(commit)/\(entry.path)"] {
      guard FileSystem.kind(of: path) == .file, let file = try? ReadableFile(path: path),
        file.byteCount == entry.byteCount
      else { continue }
      return FileSystem.resolved(path)
    }
    return nil
  }
}
