#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A file open for writing at any offset, by any thread.
///
/// Output files are written under a temporary name and renamed when they are
/// complete, so that a name never stands for half a file.
package final class WritableFile: Sendable {
  /// The path as given.
  package let path: String
  private let descriptor: SharedDescriptor

  /// What to do with a file that exists already.
  package enum Mode: Sendable {
    /// Start with an empty file.
    case truncate
    /// Keep what is there.
    case keep
  }

  /// Opens or creates `path`.
  ///
  /// - Throws: ``FileError`` with `cannotOpen`.
  package init(path: String, mode: Mode) throws {
    let flags = O_RDWR | O_CLOEXEC
    let created = flags | O_CREAT | (mode == .truncate ? O_TRUNC : 0)
    let opened = DescriptorPool.shared.open(path, flags: created)
    guard let fd = opened.descriptor else {
      throw FileError(
        .cannotOpen, Fault(file: path, expected: "a writable file", found: errorText(opened.error)))
    }
    var info = stat()
    guard fstat(fd, &info) == 0 else {
      let number = errno
      close(fd)
      throw FileError(.cannotOpen, Fault(file: path, expected: "a writable file", found: errorText(number)))
    }
    self.path = path
    self.descriptor = SharedDescriptor(path: path, descriptor: fd, info: info, flags: flags)
  }

  /// What became of an attempt to lock a file.
  package enum Lock: Hashable, Sendable {
    /// It is held until the object goes away.
    case taken
    /// Another process holds it.
    case held
    /// The file system has no locks.
    case notSupported
  }

  /// Takes the advisory lock of the file, unless another process holds it.
  package func lock() -> Lock {
    // The lock ends with the descriptor, which therefore stays open.
    guard let pinned = try? descriptor.pin() else { return .held }
    if flock(pinned, LOCK_EX | LOCK_NB) == 0 { return .taken }
    return [ENOSYS, ENOTSUP, EOPNOTSUPP, ENOLCK].contains(errno) ? .notSupported : .held
  }

  /// Takes the advisory lock of the file; it is held until the object goes away.
  ///
  /// - Returns: `false` when another process holds it, or the file system has no locks.
  package func tryLock() -> Bool { lock() == .taken }

  /// Makes the file at least `byteCount` bytes long, also while other processes write to it.
  ///
  /// Room on disk is not reserved: where a file system cannot do that at once, the C library reads what is there and
  /// writes it back, which would undo what another machine has written in between.
  ///
  /// - Throws: ``FileError`` with `diskFull` or `cannotWrite`.
  package func extend(to byteCount: Int) throws {
    guard currentByteCount() < byteCount else { return }
    try descriptor.use {
      guard ftruncate($0, off_t(byteCount)) == 0 else { throw writeError(errno, at: 0, count: byteCount) }
    }
  }

  /// Reserves `byteCount` bytes on disk and makes the file at least that long.
  ///
  /// - Throws: ``FileError`` with `diskFull` naming the number of bytes, or `cannotWrite`.
  package func preallocate(byteCount: Int) throws {
    guard byteCount > 0 else { return }
    try descriptor.use { try preallocate($0, byteCount: byteCount) }
  }

  private func preallocate(_ descriptor: Int32, byteCount: Int) throws {
    #if canImport(Glibc)
      var code = posix_fallocate(descriptor, 0, off_t(byteCount))
      while code == EINTR { code = posix_fallocate(descriptor, 0, off_t(byteCount)) }
      if code != 0 && code != EINVAL && code != EOPNOTSUPP { throw writeError(code, at: 0, count: byteCount) }
      if code == 0 { return }
    #elseif canImport(Darwin)
      // ftruncate alone leaves a hole, and a full disk would show in the middle of the work.
      var info = stat()
      let allocated = fstat(descriptor, &info) == 0 ? Int(info.st_blocks) * 512 : 0
      if byteCount > allocated {
        var store = fstore_t()
        store.fst_flags = UInt32(F_ALLOCATEALL)
        store.fst_posmode = F_PEOFPOSMODE
        store.fst_length = off_t(byteCount - allocated)
        if fcntl(descriptor, F_PREALLOCATE, &store) == -1, errno == ENOSPC {
          throw writeError(ENOSPC, at: 0, count: byteCount)
        }
      }
    #endif
    guard ftruncate(descriptor, off_t(byteCount)) == 0 else {
      throw writeError(errno, at: 0, count: byteCount)
    }
  }

  /// Writes all of `bytes` at `offset`.
  ///
  /// - Throws: ``FileError`` with `diskFull` or `cannotWrite`.
  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    try descriptor.use { try write(bytes, to: $0, at: offset) }
  }

  private func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int) throws {
    var done = 0
    while done < bytes.count {
      guard let base = bytes.baseAddress else { return }
      let put = pwrite(descriptor, base + done, bytes.count - done, off_t(offset + done))
      if put < 0 {
        if errno == EINTR { continue }
        throw writeError(errno, at: offset + done, count: bytes.count - done)
      }
      done += put
    }
  }

  /// Reads back what was written.
  ///
  /// - Returns: `false` when the file is shorter than the range.
  package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool {
    try descriptor.use { try descriptor.read($0, at: offset, into: buffer) } == buffer.count
  }

  /// Waits until the data written so far is on disk; failures show in the final ``synchronize()``.
  ///
  /// - Parameter leavesCache: Whether the file cache is to forget what is on disk, on Linux.
  package func flushData(leavesCache: Bool = false) {
    #if canImport(Glibc)
      _ = try? descriptor.use {
        fdatasync($0)
        if leavesCache { posix_fadvise($0, 0, 0, POSIX_FADV_DONTNEED) }
      }
    #else
      _ = try? descriptor.use { fsync($0) }
    #endif
  }

  /// Waits until everything written is on disk.
  package func synchronize() throws {
    try descriptor.use { descriptor in
      #if canImport(Darwin)
        // fsync leaves data in the disk's own memory there; file systems without the barrier have fsync alone.
        if fcntl(descriptor, F_FULLFSYNC) == 0 { return }
      #endif
      guard fsync(descriptor) == 0 else { throw writeError(errno, at: 0, count: 0) }
    }
  }

  /// Cuts the file off after `byteCount` bytes; empties it by default.
  ///
  /// - Throws: ``FileError`` with `cannotWrite`.
  package func truncate(to byteCount: Int = 0) throws {
    try descriptor.use {
      guard ftruncate($0, off_t(byteCount)) == 0 else { throw writeError(errno, at: byteCount, count: 0) }
    }
  }

  /// Whether the path still leads to this file, which may have been removed or replaced since.
  package var isAtItsPath: Bool { descriptor.isAtItsPath }

  /// The size now.
  package func currentByteCount() -> Int {
    let size = try? descriptor.use { descriptor in
      var info = stat()
      return fstat(descriptor, &info) == 0 ? Int(info.st_size) : 0
    }
    return size ?? 0
  }

  private func writeError(_ number: Int32, at offset: Int, count: Int) -> FileError {
    if number == ENOSPC || number == EDQUOT {
      let free = FileSystem.freeByteCount(near: path)
      return FileError(
        .diskFull,
        Fault(
          file: path, expected: "room for \(count) more bytes at offset \(offset)",
          found: "\(errorText(number)), \(free.map { "\($0) bytes free" } ?? "free space unknown")",
          remedy: "free some space and run the same command again; finished work is kept"))
    }
    return FileError(
      .cannotWrite,
      Fault(file: path, expected: "\(count) bytes written at \(offset)", found: errorText(number)))
  }
}
