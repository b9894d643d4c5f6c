internal import FileBytes

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A file mapped into memory for reading; pages are read when they are touched and dropped when memory is short.
final class MappedFile: @unchecked Sendable {
  /// The bytes; valid as long as this object lives, and never written.
  let bytes: UnsafeRawBufferPointer

  /// Maps `path`.
  ///
  /// - Throws: `FileError` with `notFound` or `cannotOpen`.
  init(path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      let code: FileError.Code = errno == ENOENT ? .notFound : .cannotOpen
      throw FileError(
        code, Fault(file: path, expected: "a readable file", found: String(cString: strerror(errno))))
    }
    defer { close(descriptor) }
    var info = stat()
    guard fstat(descriptor, &info) == 0, info.st_size > 0 else {
      throw FileError(.cannotOpen, Fault(file: path, expected: "a file with content", found: "an empty one"))
    }
    let count = Int(info.st_size)
    guard let base = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
      throw FileError(
        .cannotOpen,
        Fault(file: path, expected: "\(count) bytes mapped", found: String(cString: strerror(errno))))
    }
    bytes = UnsafeRawBufferPointer(start: base, count: count)
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }
}
