#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
  internal import Foundation
#endif

/// Questions and moves on names in the file system.
package enum FileSystem {
  /// What a name stands for.
  package enum Kind: Sendable {
    case missing
    case file
    case folder
    case other
  }

  /// What is at `path`, symbolic links followed.
  package static func kind(of path: String) -> Kind {
    var info = stat()
    guard stat(path, &info) == 0 else { return .missing }
    switch info.st_mode & S_IFMT {
    case S_IFREG: return .file
    case S_IFDIR: return .folder
    default: return .other
    }
  }

  /// Whether `path` is that of a regular file or of a link to one.
  package static func isFile(_ path: String) -> Bool { kind(of: path) == .file }

  /// The names in a folder, in no order, without `.` and `..`; empty when it cannot be read.
  package static func contents(of folder: String) -> [String] {
    guard let stream = opendir(folder), let start = MemoryLayout<dirent>.offset(of: \.d_name) else {
      return []
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      // An entry ends where its name does, which is before the end of the type.
      let name = String(
        cString: UnsafeRawPointer(entry).advanced(by: start).assumingMemoryBound(to: CChar.self))
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Bytes free for an ordinary user on the file system of `path` or of its folder; on macOS with what the system
  /// gives up when it is asked for room.
  package static func freeByteCount(near path: String) -> Int? {
    #if canImport(Darwin)
      let key = URLResourceKey.volumeAvailableCapacityForImportantUsageKey
      for place in [path, folder(of: path)] {
        let values = try? URL(fileURLWithPath: place).resourceValues(forKeys: [key])
        if let count = values?.volumeAvailableCapacityForImportantUsage, count > 0 {
          return Int(clamping: count)
        }
      }
    #endif
    var info = statvfs()
    guard statvfs(path, &info) == 0 || statvfs(folder(of: path), &info) == 0 else { return nil }
    return Int(clamping: UInt64(info.f_bavail) * UInt64(info.f_frsize))
  }

  /// A number that tells the file system of a file or folder from others; `nil` when it does not exist.
  package static func volume(of path: String) -> UInt64? {
    var info = stat()
    return stat(path, &info) == 0 ? UInt64(truncatingIfNeeded: info.st_dev) : nil
  }

  /// Bytes that `path` occupies on disk already; 0 when it does not exist.
  package static func allocatedByteCount(of path: String) -> Int {
    var info = stat()
    return stat(path, &info) == 0 ? Int(info.st_blocks) * 512 : 0
  }

  /// The folder part of a path, `.` when there is none.
  package static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    let head = String(path[..<slash])
    return head.isEmpty ? "/" : head
  }

  /// The last part of a path.
  package static func name(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
    return String(path[path.utf8.index(after: slash)...])
  }

  /// Gives a file its final name and makes the change durable.
  ///
  /// - Throws: ``FileError`` with `cannotWrite`.
  package static func rename(_ old: String, to new: String) throws {
    #if canImport(Glibc)
      let result = Glibc.rename(old, new)
    #else
      let result = Darwin.rename(old, new)
    #endif
    guard result == 0 else {
      throw FileError(
        .cannotWrite, Fault(file: new, expected: "renaming from \(old)", found: errorText(errno)))
    }
    let fd = open(folder(of: new), O_RDONLY | O_CLOEXEC)
    if fd >= 0 {
      _ = fsync(fd)
      close(fd)
    }
  }

  /// Makes a folder, unless it is there.
  ///
  /// - Throws: ``FileError`` with `cannotWrite`.
  package static func makeFolder(_ path: String) throws {
    guard mkdir(path, 0o777) != 0 else { return }
    let number = errno
    guard number == EEXIST, kind(of: path) == .folder else {
      throw FileError(.cannotWrite, Fault(file: path, expected: "a new folder", found: errorText(number)))
    }
  }

  /// Removes an empty folder if it is there.
  package static func removeFolder(_ path: String) { _ = rmdir(path) }

  /// Removes a file if it is there.
  package static func remove(_ path: String) { _ = unlink(path) }

  /// Whether a file can be created in the folder of `path`.
  package static func canCreate(_ path: String) -> Bool { access(folder(of: path), W_OK | X_OK) == 0 }
}

extension FileSystem {
  /// The absolute path with links resolved, as far as the file exists; the path itself otherwise.
  package static func resolved(_ path: String) -> String {
    guard let pointer = realpath(path, nil) else { return path }
    defer { free(pointer) }
    return String(cString: pointer)
  }
}
