#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A file open for reading at any offset, by any thread.
///
/// Reads are `pread` calls into memory that the caller owns, so what a program
/// holds of a file is what its buffers hold. Any number of files may be open this
/// way: their descriptors are closed between reads where the process may not have
/// more of them. A path at which a file of another machine is mounted
/// (``RemoteFiles``) is read from there.
public final class ReadableFile: Sendable {
  /// The path as given.
  public let path: String
  /// The size in bytes when it was opened.
  public let byteCount: Int
  /// The modification time in nanoseconds since 1970.
  package let modificationTime: Int64
  /// The content, where it lies on another machine.
  package let remote: (any RemoteBytes)?
  private let descriptor: SharedDescriptor

  /// Opens `path`, which must be a regular file and no Git LFS pointer.
  ///
  /// Whatever is read here is meant to be content, so pointers are recognised in this one place, for all formats.
  ///
  /// - Throws: ``FileError`` with `notFound`, `notAFile`, `cannotOpen` or `lfsPointer`.
  public init(path: String) throws {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer; regular files do not notice.
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK
    let opened = DescriptorPool.shared.open(path, flags: flags)
    guard let fd = opened.descriptor else {
      let code: FileError.Code = opened.error == ENOENT ? .notFound : .cannotOpen
      throw FileError(code, Fault(file: path, expected: "a readable file", found: errorText(opened.error)))
    }
    var info = stat()
    guard fstat(fd, &info) == 0, (info.st_mode & S_IFMT) == S_IFREG else {
      close(fd)
      throw FileError(
        .notAFile, Fault(file: path, expected: "a regular file", found: "another kind of file"))
    }
    self.path = path
    self.descriptor = SharedDescriptor(path: path, descriptor: fd, info: info, flags: flags)
    remote = info.st_size == 0 ? RemoteFiles.at(path) : nil
    if let remote {
      byteCount = remote.byteCount
      modificationTime = remote.version
      return
    }
    self.byteCount = Int(info.st_size)
    #if canImport(Darwin)
      self.modificationTime =
        Int64(info.st_mtimespec.tv_sec) * 1_000_000_000 + Int64(info.st_mtimespec.tv_nsec)
    #else
      self.modificationTime = Int64(info.st_mtim.tv_sec) * 1_000_000_000 + Int64(info.st_mtim.tv_nsec)
    #endif
    try refuseLFSPointer()
  }

  /// Only files of a pointer's size cost a look.
  private func refuseLFSPointer() throws {
    guard (GitLFSPointer.openingByteCount..<GitLFSPointer.sizeLimit).contains(byteCount),
      let pointer = GitLFSPointer(try bytes(at: 0, count: byteCount))
    else { return }
    throw pointer.error(file: path)
  }

  /// Fills `buffer` from `offset`.
  ///
  /// - Throws: ``FileError`` with `truncated` when the file ends first, `cannotRead` on an I/O error.
  public func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    if let remote { return try remote.read(at: offset, into: buffer) }
    try descriptor.use { try read($0, at: offset, into: buffer) }
  }

  /// Fills `buffer` with pieces of the file.
  ///
  /// - Parameters:
  ///   - offset: Where the first piece starts.
  ///   - pieceByteCount: Bytes of each piece; the buffer holds a whole number of them.
  ///   - pitch: Bytes from the start of one piece to that of the next.
  ///   - buffer: Receives the pieces, one after the other.
  /// - Throws: ``FileError`` as ``read(at:into:)``.
  package func read(
    at offset: Int, pieceByteCount: Int, pitch: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    precondition(pieceByteCount > 0 && buffer.count % pieceByteCount == 0, "whole pieces")
    guard pitch != pieceByteCount else { return try read(at: offset, into: buffer) }
    if let remote {
      for (index, start) in stride(from: 0, to: buffer.count, by: pieceByteCount).enumerated() {
        try remote.read(
          at: offset + index * pitch,
          into: UnsafeMutableRawBufferPointer(rebasing: buffer[start..<(start + pieceByteCount)]))
      }
      return
    }
    try descriptor.use {
      for (index, start) in stride(from: 0, to: buffer.count, by: pieceByteCount).enumerated() {
        try read(
          $0, at: offset + index * pitch,
          into: UnsafeMutableRawBufferPointer(rebasing: buffer[start..<(start + pieceByteCount)]))
      }
    }
  }

  private func read(_ lent: Int32, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    let done = try descriptor.read(lent, at: offset, into: buffer)
    guard done == buffer.count else {
      throw FileError(
        .truncated,
        Fault(
          file: path, expected: "\(buffer.count) bytes at \(offset)",
          found: "the end of the file after \(done)",
          remedy: "the file changed or is incomplete; fetch it again"))
    }
  }

  /// Reads `count` bytes from `offset` into a new array; check `count` against ``byteCount`` first.
  ///
  /// - Throws: ``FileError`` as ``read(at:into:)``.
  public func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      try read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
      initialized = count
    }
  }

  /// Reads several ranges into one array, one after the other.
  ///
  /// Those of a remote file travel at the same time.
  ///
  /// - Throws: ``FileError`` as ``read(at:into:)``.
  package func bytes(of ranges: [Range<Int>]) throws -> [UInt8] {
    guard let remote else { return try ranges.flatMap { try bytes(at: $0.lowerBound, count: $0.count) } }
    let ahead = remote.readAhead(ranges.map { [RemoteRange(file: remote, bytes: $0)] })
    defer { ahead.stop() }
    return try ranges.enumerated().flatMap { step, range in
      defer { ahead.finished(step) }
      return try bytes(at: range.lowerBound, count: range.count)
    }
  }

  /// The whole content of a file of at most `limit` bytes.
  ///
  /// - Throws: ``FileError`` with `tooLarge`, or as ``init(path:)`` and ``read(at:into:)``.
  package static func contents(of path: String, limit: Int) throws -> [UInt8] {
    let file = try ReadableFile(path: path)
    guard file.byteCount <= limit else {
      throw FileError(
        .tooLarge, Fault(file: path, expected: "at most \(limit) bytes", found: "\(file.byteCount) bytes"))
    }
    return try file.bytes(at: 0, count: file.byteCount)
  }

  /// Tells the system that a range will be read soon; a hint without effect on results.
  package func willNeed(at offset: Int, count: Int) {
    #if canImport(Glibc)
      guard remote == nil else { return }
      _ = try? descriptor.use { posix_fadvise($0, off_t(offset), off_t(count), POSIX_FADV_WILLNEED) }
    #endif
  }
}

/// The system's text for an error number.
func errorText(_ number: Int32) -> String { String(cString: strerror(number)) }
