internal import CheckpointConversion
internal import FileBytes
package import TensorTypes

extension SensitivityTable {
  /// All types that candidates have, by size.
  package var types: [TensorType] {
    Set(rows.lazy.filter(\.isMeasured).flatMap(\.candidates).map(\.type)).sorted {
      ($0.bitsPerWeight, $0.rawValue) < ($1.bitsPerWeight, $1.rawValue)
    }
  }

  /// Where the importance data are that the table was made with: beside it.
  ///
  /// - Parameter path: The table's file.
  /// - Returns: The path; `nil` for a table without importance data.
  /// - Throws: ``TuningError`` with `otherTable` when there is no such file.
  package func importancePath(besides path: String) throws -> String? {
    guard let importance else { return nil }
    let folder = FileSystem.folder(of: path)
    let found = folder.isEmpty || folder == "." ? importance.name : folder + "/" + importance.name
    guard FileSystem.kind(of: found) == .file else {
      throw TuningError(
        .otherTable,
        Fault(
          file: path, subject: "importance data",
          expected: "\(importance.name), xxh64 \(importance.hash), beside the table", found: "no such file",
          remedy: "name it with \(.importanceMatrix)"))
    }
    return found
  }

  /// The hash of importance data, as tables have it.
  ///
  /// - Throws: `FileError`.
  package static func importanceHash(of path: String) throws -> String {
    XXHash64.text(try ConversionPlanner.importanceHash(of: path))
  }
}
