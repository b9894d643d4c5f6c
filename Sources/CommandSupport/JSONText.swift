internal import FileBytes
internal import Foundation
internal import Synchronization

/// JSON for `--json`: keys sorted, so that equal results are equal text.
package enum JSONText {
  /// Encodes a value on several lines, numbers that JSON lacks as the texts `inf`, `-inf` and `nan`, settings as flags.
  package static func encode(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    if let key = Wording.settingWords {
      let words: @Sendable (Setting) -> String = { $0.flag }
      encoder.userInfo[key] = words
    }
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}

/// The kinds of documents that `--json` prints; docs/json.md describes each.
///
/// Every document has the keys `schema` (the kind), `schemaVersion` and `pouchVersion` beside its own. The version of a
/// kind grows when a key is removed, renamed or changes its meaning; new keys may come at any time.
package enum JSONSchema: String, CaseIterable, Sendable {
  case plan = "pouch.plan"
  case plans = "pouch.plans"
  case conversion = "pouch.conversion"
  case inspection = "pouch.inspection"
  case difference = "pouch.difference"
  case estimate = "pouch.estimate"
  case validation = "pouch.validation"
  case generation = "pouch.generation"
  case perplexity = "pouch.perplexity"
  case importance = "pouch.importance"
  case importanceStatistics = "pouch.importance-statistics"
  case drawings = "pouch.drawings"
  case geometry = "pouch.geometry"
  case tuning = "pouch.tuning"
  case card = "pouch.card"
  case quantizeBenchmark = "pouch.benchmark.quantize"
  case productBenchmark = "pouch.benchmark.matmul"
  case decodeBenchmark = "pouch.benchmark.decode"
  case error = "pouch.error"

  /// The version that is written.
  package var version: Int { 1 }
}

extension JSONSchema {
  /// A value as a document of this kind.
  ///
  /// - Throws: Errors of the encoder.
  package func text(_ value: some Encodable) throws -> String {
    try JSONText.encode(Document(schema: self, value: value))
  }

  /// Prints a value as a document of this kind on standard output.
  ///
  /// - Throws: Errors of the encoder.
  package func print(_ value: some Encodable) throws {
    Standard.output(try text(value))
    Standard.hasPrintedJSON.store(true, ordering: .relaxed)
  }

  private struct Document<Value: Encodable>: Encodable {
    enum Key: String, CodingKey { case schema, schemaVersion, pouchVersion }

    var schema: JSONSchema
    var value: Value

    func encode(to encoder: any Encoder) throws {
      try value.encode(to: encoder)
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(schema.rawValue, forKey: .schema)
      try container.encode(schema.version, forKey: .schemaVersion)
      try container.encode(pouchVersionNumber, forKey: .pouchVersion)
    }
  }
}
