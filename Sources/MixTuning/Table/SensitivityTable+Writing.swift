internal import Foundation
internal import TensorTypes

extension SensitivityTable {
  /// The table as JSON, keys sorted, which docs/tune.md describes.
  ///
  /// - Returns: The document in UTF-8, with a newline at its end.
  /// - Throws: Errors of the encoder, for numbers that are not finite.
  package func encoded() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return Array(try encoder.encode(Document(self))) + [UInt8(ascii: "\n")]
  }

  /// The keys of a document.
  struct Document: Encodable {
    struct Candidate: Encodable {
      var type: String
      var storedTypes: [String]
      var bytes: Int
      var divergence: Double
      var rawDivergence: Double
      var standardError: Double?
      var relativeError: Double?
    }

    struct Group: Encodable {
      var role: String
      var layer: Int?
      var tensors: [String]
      var weights: Int
      var isMeasured: Bool
      var candidates: [Candidate]
    }

    var schema = SensitivityTable.schema
    var schemaVersion = SensitivityTable.formatVersion
    var pouchVersion: String
    var model: SensitivityTable.Model
    var text: SensitivityTable.Text
    var importance: SensitivityTable.Importance?
    var method: String
    var fixedBytes: Int
    var groups: [Group]
    var gains: [SensitivityTable.Gain]

    init(_ table: SensitivityTable) {
      pouchVersion = table.pouchVersion
      model = table.model
      text = table.text
      importance = table.importance
      method = table.method.rawValue
      fixedBytes = table.fixedByteCount
      gains = table.gains
      groups = table.rows.map { row in
        Group(
          role: row.group.role.rawValue, layer: row.group.layer, tensors: row.group.tensors,
          weights: row.group.weights, isMeasured: row.isMeasured,
          candidates: row.candidates.map {
            Candidate(
              type: $0.type.name, storedTypes: $0.storedTypes.map(\.name), bytes: $0.byteCount,
              divergence: $0.divergence, rawDivergence: $0.rawDivergence, standardError: $0.standardError,
              relativeError: $0.relativeError)
          })
      }
    }
  }
}
