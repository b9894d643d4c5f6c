internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A file that stays usable while its descriptor is lent to other files.
///
/// A process may have few descriptors open (256 on macOS by default), a model may have more shards. Each use takes the
/// descriptor for its duration; between uses ``DescriptorPool`` may close it, and the next use opens the file again.
/// A file that was replaced meanwhile is refused.
final class SharedDescriptor: Sendable {
  private struct State {
    /// −1 while closed.
    var descriptor: Int32
    var users = 0
    /// Used since the pool last looked.
    var wasUsed = true
  }

  private let path: String
  private let flags: Int32
  private let device: UInt64
  private let inode: UInt64
  private let state: Mutex<State>

  /// Takes over an open descriptor.
  ///
  /// - Parameters:
  ///   - path: What it was opened as.
  ///   - descriptor: The descriptor.
  ///   - info: What `fstat` says of it.
  ///   - flags: How the file is opened again.
  init(path: String, descriptor: Int32, info: stat, flags: Int32) {
    self.path = path
    self.flags = flags
    device = UInt64(truncatingIfNeeded: info.st_dev)
    inode = UInt64(truncatingIfNeeded: info.st_ino)
    state = Mutex(State(descriptor: descriptor))
    DescriptorPool.shared.register(self)
  }

  deinit {
    let descriptor = state.withLock { $0.descriptor }
    if descriptor >= 0 { close(descriptor) }
  }

  /// Calls `body` with the open descriptor.
  ///
  /// - Throws: What `body` throws; ``FileError`` when the file cannot be opened again.
  func use<Result>(_ body: (Int32) throws -> Result) throws -> Result {
    let descriptor = try take()
    defer { state.withLock { $0.users -= 1 } }
    return try body(descriptor)
  }

  /// Reads at an offset until `buffer` is full or the file ends; `descriptor` is what ``use(_:)`` lends.
  ///
  /// - Returns: The number of bytes read.
  /// - Throws: ``FileError`` with `cannotRead`.
  func read(_ descriptor: Int32, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var done = 0
    while done < buffer.count, let base = buffer.baseAddress {
      let got = pread(descriptor, base + done, buffer.count - done, off_t(offset + done))
      if got == 0 { break }
      if got < 0 {
        if errno == EINTR { continue }
        throw FileError(
          .cannotRead,
          Fault(file: path, expected: "\(buffer.count) bytes at \(offset)", found: errorText(errno)))
      }
      done += got
    }
    return done
  }

  /// Keeps the descriptor open for as long as this object lives, for locks that end with it.
  ///
  /// - Returns: The descriptor.
  /// - Throws: ``FileError`` when the file cannot be opened again.
  func pin() throws -> Int32 { try take() }

  private func take() throws -> Int32 {
    try state.withLock { state in
      if state.descriptor < 0 {
        state.descriptor = try reopen()
        DescriptorPool.shared.register(self)
      }
      state.users += 1
      state.wasUsed = true
      return state.descriptor
    }
  }

  private func reopen() throws -> Int32 {
    let opened = DescriptorPool.shared.open(path, flags: flags)
    guard let descriptor = opened.descriptor else {
      throw FileError(
        .cannotOpen,
        Fault(file: path, expected: "the file that was open before", found: errorText(opened.error)))
    }
    var info = stat()
    guard fstat(descriptor, &info) == 0, isThis(info) else {
      close(descriptor)
      throw FileError(
        .cannotRead,
        Fault(
          file: path, expected: "the file that was open before", found: "another one of this name",
          remedy: "the file was replaced while it was in use; run the command again"))
    }
    return descriptor
  }

  private func isThis(_ info: stat) -> Bool {
    UInt64(truncatingIfNeeded: info.st_dev) == device && UInt64(truncatingIfNeeded: info.st_ino) == inode
  }

  /// Whether the path still leads to this file.
  var isAtItsPath: Bool {
    var info = stat()
    return stat(path, &info) == 0 && isThis(info)
  }

  /// Closes the descriptor unless it is in use; never waits.
  ///
  /// - Parameter spares: Whether a file that was used since the last call is left open this time.
  /// - Returns: Whether a descriptor was closed.
  func closeIfIdle(sparesRecent spares: Bool) -> Bool {
    state.withLockIfAvailable { state in
      guard state.descriptor >= 0, state.users == 0 else { return false }
      if spares, state.wasUsed {
        state.wasUsed = false
        return false
      }
      close(state.descriptor)
      state.descriptor = -1
      return true
    } ?? false
  }
}

/// Bounds how many of the process's descriptors are used for files that are read and written in pieces.
final class DescriptorPool: Sendable {
  private struct Entry {
    weak var file: SharedDescriptor?
  }

  /// The pool of the process.
  static let shared = DescriptorPool()

  private let capacity: Int
  /// Files with an open descriptor, and some that are gone, oldest first.
  private let entries: Mutex<[Entry]> = Mutex([])

  private init() {
    var limit = rlimit()
    #if canImport(Glibc)
      let isKnown = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
    #else
      let isKnown = getrlimit(RLIMIT_NOFILE, &limit) == 0
    #endif
    // Half of what is left beside standard streams and what the system's libraries hold.
    let most = isKnown ? Int(clamping: limit.rlim_cur) : 256
    capacity = max(4, min(256, (most - 16) / 2))
  }

  /// Opens a file, after closing others where too many are open.
  ///
  /// - Returns: The descriptor, or `nil` and the error number.
  func open(_ path: String, flags: Int32, mode: mode_t = 0o644) -> (descriptor: Int32?, error: Int32) {
    entries.withLock { entries in
      entries.removeAll { $0.file == nil }
      if entries.count >= capacity { Self.closeOne(&entries) }
    }
    while true {
      let descriptor = openFile(path, flags, mode)
      if descriptor >= 0 { return (descriptor, 0) }
      let error = errno
      guard error == EMFILE || error == ENFILE, entries.withLock({ Self.closeOne(&$0) }) else {
        return (nil, error)
      }
    }
  }

  /// Notes that a file has an open descriptor.
  func register(_ file: SharedDescriptor) { entries.withLock { $0.append(Entry(file: file)) } }

  /// Closes the descriptor of an idle file, one that was not used lately where possible.
  @discardableResult
  private static func closeOne(_ entries: inout [Entry]) -> Bool {
    for sparesRecent in [true, false] {
      for index in entries.indices {
        guard let file = entries[index].file, file.closeIfIdle(sparesRecent: sparesRecent) else { continue }
        entries.remove(at: index)
        return true
      }
    }
    return false
  }
}

/// `open` under a name that members do not hide.
private func openFile(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 { open(path, flags, mode) }
