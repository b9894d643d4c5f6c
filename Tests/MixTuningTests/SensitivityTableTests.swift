import FileBytes
import MixTuning
import TensorTypes
import TestSupport
import Testing

@Suite struct SensitivityTableTests {
  /// Three groups with two or three candidates.
  static func table(_ change: (inout SensitivityTable) -> Void = { _ in }) -> SensitivityTable {
    func candidate(_ type: TensorType, _ bytes: Int, _ loss: Double, _ error: Double? = nil)
      -> SensitivityTable.Candidate
    {
      SensitivityTable.Candidate(
        type: type, storedTypes: [type], byteCount: bytes, divergence: loss, standardError: error)
    }
    var table = SensitivityTable(
      pouchVersion: "1.2.3",
      model: .init(name: "m", fingerprint: "00ff", architecture: "llama", layers: 2, weights: 3000),
      text: .init(name: "t.txt", hash: "abcd", windows: 7, windowLength: 64),
      importance: .init(name: "i.gguf", hash: "1234"), method: .measured, fixedByteCount: 320,
      rows: [
        .init(
          group: TuningGroup(role: .embedding, layer: nil, tensors: ["token_embd.weight"], weights: 1000),
          isMeasured: true,
          candidates: [candidate(.q4_K, 512, 0.25, 0.125), candidate(.q8_0, 1024, 0x1p-30)]),
        .init(
          group: TuningGroup(
            role: .attentionValue, layer: 0, tensors: ["blk.0.attn_v.weight"], weights: 1000),
          isMeasured: true,
          candidates: [
            candidate(.q3_K, 320, 0.5), candidate(.q4_K, 512, 0.125), candidate(.q8_0, 1024, 0.0625),
          ]),
        .init(
          group: TuningGroup(
            role: .attentionValue, layer: 1, tensors: ["blk.1.attn_v.weight"], weights: 1000),
          isMeasured: true, candidates: [candidate(.q4_K, 512, 0.75), candidate(.q8_0, 1024, 0.5)]),
      ], gains: [.init(role: .attentionValue, layer: 0, gain: 0.5, type: "q3_K")])
    change(&table)
    return table
  }

  private func text(_ table: SensitivityTable = table()) throws -> String {
    String(decoding: try table.encoded(), as: UTF8.self)
  }

  private func read(_ text: String) throws -> SensitivityTable {
    try SensitivityTable(parsing: Array(text.utf8), file: "t.json")
  }

  @Test func tablesAreReadAsTheyWereWritten() throws {
    let table = Self.table()
    #expect(try read(try text()) == table)
    #expect(try text(try read(try text())) == text())
    let plain = Self.table {
      $0.importance = nil
      $0.gains = []
    }
    #expect(try read(try text(plain)) == plain)
  }

  @Test(arguments: [
    ("\"pouch.sensitivity\"", "\"pouch.plan\"", "pouch.plan"),
    ("\"schemaVersion\" : 1", "\"schemaVersion\" : 2", "schemaVersion"),
    ("\"divergence\" : 0.5,", "\"divergence\" : NaN,", "groups[1].candidates[0].divergence"),
    ("\"divergence\" : 0.5,", "\"divergence\" : -0.5,", "-0.5"),
    ("\"divergence\" : 0.5,", "\"divergence\" : 1e999,", "finite"),
    ("\"bytes\" : 320", "\"bytes\" : -1", "bytes"),
    ("\"bytes\" : 320", "\"bytes\" : 5000", "5000 bytes before 512"),
    ("\"type\" : \"q3_K\"", "\"type\" : \"q9_K\"", "q9_K"),
    ("\"role\" : \"embedding\"", "\"role\" : \"kitchen\"", "kitchen"),
    ("\"role\" : \"embedding\"", "\"role\" : \"attention.q\"", "layer"),
    ("blk.1.attn_v.weight", "blk.0.attn_v.weight", "blk.0.attn_v.weight in two"),
    ("\"method\" : \"measured\"", "\"method\" : \"guessed\"", "guessed"),
    ("\"standardError\" : 0.125", "\"standardError\" : Infinity", "standardError"),
  ])
  func brokenNumbersAreRefusedWithTheirPlace(_ old: String, _ new: String, _ part: String) throws {
    let good = try text()
    let range = try #require(good.firstRange(of: old))
    let bad = good.replacingCharacters(range, new)
    let error = try #require(throws: TuningError.self) { try read(bad) }
    #expect(error.code == .badTable && error.description.contains(part), "\(error)")
  }

  @Test func truncatedTablesAreRefused() throws {
    let bytes = Array(try text().utf8)
    for count in stride(from: 0, to: bytes.count - 2, by: 37) {
      #expect(throws: (any Error).self) {
        try SensitivityTable(parsing: Array(bytes.prefix(count)), file: "t.json")
      }
    }
  }

  @Test func tablesOfOtherThingsAreRefused() throws {
    let table = Self.table()
    try table.check(file: "t.json", modelFingerprint: "00ff", textHash: "abcd", importanceHash: "1234")
    try table.check(file: "t.json", modelFingerprint: "00ff")
    for (model, text, importance, part) in [
      ("beef", "abcd", "1234", "beef"), ("00ff", "beef", "1234", "beef"), ("00ff", "abcd", "beef", "i.gguf"),
    ] {
      let error = try #require(throws: TuningError.self) {
        try table.check(
          file: "t.json", modelFingerprint: model, textHash: text, importanceHash: importance)
      }
      #expect(error.code == .otherTable && error.description.contains(part))
    }
  }

  @Test func whatIsWithinNoiseIsNotBelieved() throws {
    func settled(_ values: [(Double, Double?)]) -> [Double] {
      let table = Self.table {
        $0.rows[0].candidates = values.enumerated().map {
          .init(
            type: [.q3_K, .q4_K, .q5_K, .q8_0][$0], storedTypes: [.q8_0], byteCount: 32 * $0,
            divergence: $1.0,
            standardError: $1.1)
        }
      }
      return table.settled().rows[0].candidates.map(\.divergence)
    }
    // A larger type that loses more, within twice the error of the difference: both get the mean.
    #expect(settled([(2, 0.5), (2.5, 0.5), (1, 0.5)]) == [2.25, 2.25, 1])
    // Beyond it, it stays.
    #expect(settled([(2, 0.125), (3, 0.125), (1, 0.125)]) == [2, 3, 1])
    // Nothing is below 0; without errors nothing is noise.
    #expect(settled([(1, nil), (2, nil), (-0.5, 1)]) == [1, 2, 0])
    // Pools grow as long as a neighbour fits.
    #expect(settled([(1, 1), (2, 1), (3, 1), (0, 0)]) == [2, 2, 2, 0])
    let table = Self.table { $0.rows[0].candidates[0].rawDivergence = -1 }
    #expect(table.settled().rows[0].candidates[0].rawDivergence == -1)
  }
}

extension String {
  fileprivate func replacingCharacters(_ range: Range<Index>, _ text: String) -> String {
    String(self[..<range.lowerBound]) + text + String(self[range.upperBound...])
  }
}
