#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A file mapped into memory for reading; pages are read when they are touched and dropped when memory is short.
///
/// For content that is used again and again in any order, such as the weights of a running model; what is read once,
/// from front to back, is better off with a ``ReadableFile``, whose memory is what its caller owns.
package final class MappedFile: @unchecked Sendable {
  /// The path as given.
  package let path: String
  /// The bytes; valid as long as this object lives, and never written.
  package let bytes: UnsafeRawBufferPointer

  /// Maps `path`.
  ///
  /// - Throws: ``FileError`` with `notFound` or `cannotOpen`.
  package init(path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      let code: FileError.Code = errno == ENOENT ? .notFound : .cannotOpen
      throw FileError(
        code, Fault(file: path, expected: "a readable file", found: errorText(errno)))
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
        Fault(file: path, expected: "\(count) bytes mapped", found: errorText(errno)))
    }
    self.path = path
    bytes = UnsafeRawBufferPointer(start: base, count: count)
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }
}
