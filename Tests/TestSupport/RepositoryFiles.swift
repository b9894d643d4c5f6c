internal import Foundation

/// Files of this repository.
public enum RepositoryFiles {
  /// The folder of the repository.
  public static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  /// The bundled checkpoint.
  public static let sample = path("samples/Pelican-10M-A5M")

  /// The path of a file or folder.
  public static func path(_ path: String) -> String { root + "/" + path }
}
