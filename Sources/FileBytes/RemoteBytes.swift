internal import Synchronization

/// The content of a file that lies on another machine.
///
/// Whatever reads files by ``ReadableFile`` reads these, too, once they are mounted at a path (``RemoteFiles``). A single
/// read costs a trip over the network; who knows what comes next says so with ``readAhead(_:)``.
package protocol RemoteBytes: AnyObject, Sendable {
  /// The size in bytes.
  var byteCount: Int { get }
  /// A number that stands for the content, where local files have the time of their last change.
  var version: Int64 { get }
  /// Bytes that may be in memory ahead of their readers, of all files that are read together with this one.
  var windowByteCount: Int { get }
  /// Fills `buffer` from `offset`, from any thread.
  ///
  /// - Throws: An error that names the file; nothing is known of the buffer's content then.
  func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws
  /// Fetches what will be read, in the order of the steps, a bounded amount ahead of the readers.
  ///
  /// - Parameter steps: The ranges of each step, of this file and of others that belong to the same model.
  /// - Returns: Whom to tell which steps are done.
  func readAhead(_ steps: [[RemoteRange]]) -> any ReadAhead
}

/// A range of a remote file.
package struct RemoteRange: Sendable {
  /// The file.
  package var file: any RemoteBytes
  /// The bytes.
  package var bytes: Range<Int>

  /// Names a range.
  package init(file: any RemoteBytes, bytes: Range<Int>) {
    self.file = file
    self.bytes = bytes
  }
}

/// Bytes on their way to their readers; see ``RemoteBytes/readAhead(_:)``.
package protocol ReadAhead: AnyObject, Sendable {
  /// The bytes of a range where they lie, after waiting for them, so that they need not be copied.
  ///
  /// - Parameters:
  ///   - range: A range of the step, which is read once.
  ///   - step: The step; until it is finished the bytes stay.
  ///   - alignment: What the address of the first byte is a multiple of.
  /// - Returns: `nil` when they are not in one piece or begin elsewhere: then they have to be read.
  /// - Throws: What went wrong with the bytes.
  func borrow(_ range: RemoteRange, for step: Int, alignment: Int) throws -> UnsafeRawBufferPointer?
  /// Says that a step has read all that it wanted; what no other step wants is dropped.
  func finished(_ step: Int)
  /// Ends the fetching and drops everything.
  func stop()
}

/// The paths at which remote files are mounted in this process.
///
/// A mounted path is that of an empty file, so that whatever looks at names finds one; ``ReadableFile`` reads the remote
/// content in its place.
package enum RemoteFiles {
  private static let isUsed = Atomic<Bool>(false)
  private static let mounted = Mutex<[String: any RemoteBytes]>([:])
  private static let titles = Mutex<[Title]>([])

  private struct Title {
    var folder: String
    /// What begins the names of its files.
    var short: String
    /// What the folder itself is called.
    var long: String
  }

  /// Mounts a remote file at the path of an empty one.
  package static func mount(_ bytes: any RemoteBytes, at path: String) {
    isUsed.store(true, ordering: .releasing)
    mounted.withLock { $0[FileSystem.resolved(path)] = bytes }
  }

  /// Unmounts everything in a folder.
  package static func unmount(folder: String) {
    let prefix = FileSystem.resolved(folder) + "/"
    mounted.withLock { files in
      for path in files.keys where path.hasPrefix(prefix) { files[path] = nil }
    }
  }

  /// What is mounted at a path; `nil` for files of this machine.
  package static func at(_ path: String) -> (any RemoteBytes)? {
    guard isUsed.load(ordering: .acquiring) else { return nil }
    let path = FileSystem.resolved(path)
    return mounted.withLock { $0[path] }
  }

  /// Bytes that may be in memory ahead of the readers of some files.
  package static func windowByteCount(of paths: [String]) -> Int {
    guard isUsed.load(ordering: .acquiring) else { return 0 }
    return paths.lazy.compactMap { at($0)?.windowByteCount }.max() ?? 0
  }

  /// Bytes that may be in memory ahead of the readers of all mounted models.
  package static var windowByteCount: Int {
    guard isUsed.load(ordering: .acquiring) else { return 0 }
    let files = mounted.withLock(\.self)
    let models = Dictionary(grouping: files) { FileSystem.folder(of: $0.key) }
    return models.values.reduce(0) { $0 + ($1.map(\.value.windowByteCount).max() ?? 0) }
  }

  /// Has messages call a temporary folder by the name that the user knows.
  ///
  /// For as long as the process lives: errors are told when the folder is gone.
  ///
  /// - Parameters:
  ///   - folder: The folder.
  ///   - title: What begins the names of its files: `org/name`.
  ///   - long: What reports call the model: `org/name@commit`.
  package static func entitle(_ folder: String, _ title: String, long: String) {
    isUsed.store(true, ordering: .releasing)
    let resolved = FileSystem.resolved(folder)
    titles.withLock { $0 += Set([folder, resolved]).map { Title(folder: $0, short: title, long: long) } }
  }

  /// What reports call a model: with its commit for the temporary folder of one on another machine, else its path.
  package static func title(of path: String) -> String {
    guard isUsed.load(ordering: .acquiring) else { return path }
    return titles.withLock { titles in titles.first { $0.folder == path }?.long ?? path }
  }

  /// A text with titles in place of temporary folders.
  package static func entitled(_ text: String) -> String {
    guard isUsed.load(ordering: .acquiring) else { return text }
    return titles.withLock(\.self).reduce(text) { $0.replacing($1.folder, with: $1.short) }
  }
}

extension Fault {
  /// The fault with titles in place of temporary folders, see ``RemoteFiles/entitle(_:_:)``.
  package var entitled: Fault {
    Fault(
      file: RemoteFiles.entitled(file), subject: subject.changed(RemoteFiles.entitled),
      expected: expected.changed(RemoteFiles.entitled), found: found.changed(RemoteFiles.entitled),
      problems: problems.map { $0.changed(RemoteFiles.entitled) },
      remedy: remedy.changed(RemoteFiles.entitled))
  }
}
