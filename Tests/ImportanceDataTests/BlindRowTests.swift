import FileBytes
import ImportanceData
import TestSupport
import Testing

/// Experts whose importance is zero, and tensors that take the data of another one.
@Suite("Importance of zero, and shared inputs")
struct BlindRowTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let tensor = "blk.0.ffn_up_exps.weight"

  private func matrix(_ sums: [Float], counts: [Float], columns: Int) throws -> ImportanceMatrix {
    try ImportanceMatrix(
      path: try folder.write(
        "im.gguf", try Build.gguf(Build.pair(Self.tensor, columns: columns, sums: sums, counts: counts))))
  }

  private func use(columns: Int, matrices: Int, group: Int?) -> ImportanceUse {
    ImportanceUse(tensor: Self.tensor, columnCount: columns, matrixCount: matrices, zeroGroup: group)
  }

  /// Weights of the four experts: data, count 0, zeros with a count, data.
  private func rows(_ policy: BlindExpertPolicy, group: Int?) throws -> [[Float]] {
    let matrix = try matrix([2, 4, 9, 9, 0, 0, 6, 3], counts: [2, 0, 7, 3], columns: 2)
    let rows = try ImportanceRows(matrix, policy: policy, uses: [use(columns: 2, matrices: 4, group: group)])
    return try (0..<4).map {
      try #require(try rows.weights(tensor: Self.tensor, matrix: $0, columnCount: 2))
    }
  }

  @Test("policies for experts with a count and no importance")
  func policies() throws {
    #expect(try rows(.ones, group: 2) == [[1, 2], [1, 1], [1, 1], [2, 1]])
    #expect(try rows(.error, group: 2) == [[1, 2], [1, 1], [1, 1], [2, 1]])
    // Types that keep their weights without importance keep llama-quantize's bytes, too.
    #expect(try rows(.ones, group: nil) == [[1, 2], [1, 1], [0, 0], [2, 1]])
    #expect(try rows(.layerMean, group: nil) == [[1, 2], [1.5, 1.5], [1.5, 1.5], [2, 1]])
  }

  @Test("blind by count, blind by zeros, thin, and tiny sums that divide to zero")
  func coverage() throws {
    let tiny = Float(bitPattern: 1)
    let matrix = try matrix([2, 4, 9, 9, 0, 0, tiny, 0, 6, 3], counts: [2, 0, 7, 1000, 3], columns: 2)
    let found = try matrix.coverage(of: [use(columns: 2, matrices: 5, group: 2)], thinBelow: 3)
    #expect(
      found == [
        ExpertCoverage(
          tensor: Self.tensor, matrixCount: 5, blind: [1, 2, 3], allZero: [2, 3], thin: [0],
          countRange: 0...1000)
      ])
    let layer = try #require(LayerCoverage.byLayer(found).first)
    #expect(layer.blind == [1, 2, 3] && layer.allZero == [2, 3] && layer.fewestTokens == 0)
  }

  @Test("legacy files: zeros are blind, counts are not known")
  func legacy() throws {
    let path = try folder.write(
      "im.dat", Build.legacy([Build.entry(Self.tensor, calls: 3, [3, 6, 0, 0, 9, 0])]))
    let matrix = try ImportanceMatrix(path: path)
    let uses = [use(columns: 2, matrices: 3, group: 2)]
    #expect(
      try matrix.coverage(of: uses, thinBelow: 1000) == [
        ExpertCoverage(
          tensor: Self.tensor, matrixCount: 3, blind: [1], allZero: [1], thin: [], countRange: nil)
      ])
    let mean = try ImportanceRows(matrix, policy: .layerMean, uses: uses)
    #expect(try mean.weights(tensor: Self.tensor, matrix: 1, columnCount: 2) == [2, 1])
    #expect(try mean.weights(tensor: Self.tensor, matrix: 0, columnCount: 2) == [1, 2])
  }

  @Test("a dense tensor of zeros weighs alike under every policy", arguments: BlindExpertPolicy.allCases)
  func dense(policy: BlindExpertPolicy) throws {
    let matrix = try matrix([0, 0, 0], counts: [12], columns: 3)
    let rows = try ImportanceRows(matrix, policy: policy, uses: [use(columns: 3, matrices: 1, group: 1)])
    #expect(rows.coverage.first?.allZero == [0])
    #expect(try rows.weights(tensor: Self.tensor, matrix: 0, columnCount: 3) == [1, 1, 1])
  }

  @Test("columns that a type makes zeros of together are counted; shorter runs are not")
  func emptyColumns() throws {
    let row: [Float] = [0, 0, 0, 0, 1, 0, 0, 1]
    let matrix = try matrix(row + [1, 0, 0, 0, 0, 0, 0, 1] + row, counts: [1, 1, 1], columns: 8)
    func found(_ group: Int?) throws -> ExpertCoverage.EmptyColumns? {
      try matrix.coverage(of: [use(columns: 8, matrices: 3, group: group)], thinBelow: 0)[0].emptyColumns
    }
    let four = try #require(try found(4))
    #expect(four.count == 8 && four.matrixCount == 2 && four.firstMatrix == 0 && four.firstColumns == 0..<4)
    let two = try #require(try found(2))
    #expect(two.count == 12 && two.matrixCount == 3 && two.firstMatrix == 0 && two.firstColumns == 0..<2)
    #expect(try found(8) == nil)
    #expect(try found(nil) == nil)
  }

  @Test("more values than are read at a time")
  func manyValues() throws {
    let columns = 3000
    let sums = (0..<60).flatMap { [Float](repeating: $0 == 41 ? 0 : 1, count: columns) }
    let matrix = try matrix(sums, counts: [Float](repeating: 1, count: 60), columns: columns)
    let found = try matrix.coverage(of: [use(columns: columns, matrices: 60, group: 256)], thinBelow: 0)
    #expect(found.first?.blind == [41])
  }

  @Test(
    "tensors with the same input in another layout",
    arguments: [
      ("ffn_gate_up_exps", "ffn_gate_exps", true), ("ffn_gate_up_exps", "ffn_up_exps", true),
      ("ffn_up_exps", "ffn_gate_up_exps", true), ("attn_qkv", "attn_q", true), ("attn_qkv", "attn_v", true),
      ("attn_v", "attn_qkv", true), ("ssm_in", "attn_gate", true), ("ssm_beta", "ssm_ba", true),
      ("ffn_gate_exps", "ffn_up_exps", false), ("attn_q", "attn_k", false),
      ("ffn_down_exps", "ffn_up_exps", false),
    ])
  func shared(stored: String, wanted: String, isServed: Bool) throws {
    let name = "blk.7.\(stored).weight"
    let path = try folder.write(
      "im.gguf", try Build.gguf(Build.pair(name, columns: 2, sums: [2, 4], counts: [2])))
    let matrix = try ImportanceMatrix(path: path)
    let entry = matrix.entry(serving: "blk.7.\(wanted).weight")
    #expect((entry?.name == name) == isServed)
    #expect(matrix.entry(serving: "blk.8.\(wanted).weight") == nil)
    guard isServed else { return }
    guard case .found(2, 1) = try matrix.lookup(tensor: "blk.7.\(wanted).weight", ggmlShape: [2, 5]) else {
      Issue.record("not found")
      return
    }
    let error = #expect(throws: ImportanceError.self) {
      try matrix.lookup(tensor: "blk.7.\(wanted).weight", ggmlShape: [3, 5])
    }
    #expect(error?.code == .sizeMismatch)
  }

  @Test("a tensor's own data comes first, and --exclude-weights holds for tensors that share data")
  func ownFirst() throws {
    let both = try Build.gguf(
      Build.pair("blk.0.attn_qkv.weight", columns: 1, sums: [2], counts: [1])
        + Build.pair("blk.0.attn_q.weight", columns: 1, sums: [3], counts: [1])
        + Build.pair("blk.1.attn_v.weight", columns: 1, sums: [4], counts: [1]))
    let matrix = try ImportanceMatrix(path: try folder.write("im.gguf", both))
    #expect(matrix.entry(serving: "blk.0.attn_q.weight")?.name == "blk.0.attn_q.weight")
    #expect(matrix.entry(serving: "blk.0.attn_v.weight")?.name == "blk.0.attn_qkv.weight")
    let filtered = try matrix.filtered(including: [], excluding: ["attn_v"])
    #expect(filtered.entry(serving: "blk.0.attn_v.weight") == nil)
    #expect(filtered.entry(serving: "blk.0.attn_k.weight")?.name == "blk.0.attn_qkv.weight")
  }
}
