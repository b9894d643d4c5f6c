internal import FileBytes
internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Temporary folders for models on a hub.
enum HubFolder {
  private static let prefix = "pouch-hub-"

  /// Makes an empty folder of this process, after removing those of processes that are gone.
  ///
  /// - Throws: `FileError`.
  static func make() throws -> String {
    let parent = FileManager.default.temporaryDirectory.path
    sweep(parent)
    let path = "\(parent)/\(prefix)\(getpid())-\(UUID().uuidString.prefix(8))"
    try create(path)
    return path
  }

  /// Removes what killed processes left.
  private static func sweep(_ parent: String) {
    for name in FileSystem.contents(of: parent) where name.hasPrefix(prefix) {
      guard let number = name.dropFirst(prefix.count).split(separator: "-").first.flatMap({ pid_t($0) }),
        number > 0, kill(number, 0) != 0, errno == ESRCH
      else { continue }
      remove(parent + "/" + name)
    }
  }

  /// Makes a folder and those above it.
  static func create(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch { throw cannotWrite(path, error) }
  }

  /// Makes a symbolic link.
  static func link(_ path: String, to target: String) throws {
    do {
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    } catch { throw cannotWrite(path, error) }
  }

  /// Writes a file.
  static func write(_ bytes: [UInt8], to path: String) throws {
    do {
      try Data(bytes).write(to: URL(fileURLWithPath: path))
    } catch { throw cannotWrite(path, error) }
  }

  /// Removes a folder and everything in it.
  static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

  private static func cannotWrite(_ path: String, _ error: any Error) -> FileError {
    FileError(
      .cannotWrite, Fault(file: path, expected: "to write it", found: "\(error.localizedDescription)"))
  }
}
