import Foundation
import ImportanceData
import ModelEvaluation
import ReferenceRuntime
import TensorCompute
import Testing
import TextTokenizers

/// The sample's importance data against llama-imatrix's.
///
/// `Golden/pelican-imatrix-128x4.json` was read from the output of
/// `llama-imatrix -m pelican-f32.gguf -f samples/texts/svg-plain.txt -c 128 -b 128 --chunks 4 -ctk f32 -ctv f32
/// -fa off`, where the model is `pouch-convert samples/Pelican-10M-A5M --outtype f32`: per tensor the counts and, per
/// expert, the sum over all columns, the first and the last column. Its default, an f16 cache, moves sums by up to
/// 1e-3 here, and over long texts the choice of an expert now and then.
@Suite("Importance data against llama-imatrix")
struct PeerImportanceTests {
  private struct Expected: Decodable {
    var counts: [Int64]
    var totals: [Double]
    var first: [Double]
    var last: [Double]
  }

  /// Two f32 forward passes with sums in different order; the largest difference found is 4e-6.
  private static let tolerance = 1e-4

  @Test("counts are the same, sums within 1e-4")
  func sample() throws {
    let root = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let golden = try #require(Bundle.module.resourceURL)
      .appendingPathComponent("Golden/pelican-imatrix-128x4.json")
    let expected = try JSONDecoder().decode([String: Expected].self, from: Data(contentsOf: golden))
    let model = try LoadedModel.open(path: root.appendingPathComponent("samples/Pelican-10M-A5M").path)
    let text = try EvaluationText(path: root.appendingPathComponent("samples/texts/svg-plain.txt").path)
    let tokens = try text.tokens(try Tokenizer(metadata: try model.metadata()))
    let windows = try TokenWindows(tokens: tokens, length: 128, limit: 4, beginning: nil)
    let evaluator = try WindowEvaluator(model, length: 128, options: EvaluationOptions(mode: .exact))
    let collector = ImportanceCollector(expertCount: try #require(model.expertCount))
    let run = ImportanceRun(windows: windows, measuresPerplexity: false, needsOutput: false)
    _ = try run.run(evaluator, collector) { _, _ in true }
    let file = try collector.file(chunkSize: 128)

    #expect(Set(file.records.map(\.name)) == Set(expected.keys))
    var largest = 0.0
    for record in file.records {
      let theirs = try #require(expected[record.name])
      #expect(record.counts == theirs.counts, "\(record.name)")
      let columns = record.sums.count / record.counts.count
      for expert in record.counts.indices {
        let sums = record.sums[(expert * columns)..<((expert + 1) * columns)]
        let pairs = [
          (sums.reduce(0.0) { $0 + Double($1) }, theirs.totals[expert]),
          (Double(sums[sums.startIndex]), theirs.first[expert]),
          (Double(sums[sums.endIndex - 1]), theirs.last[expert]),
        ]
        for (ours, value) in pairs {
          let difference = abs(ours - value) / max(abs(value), 1e-12)
          largest = max(largest, difference)
          #expect(difference <= Self.tolerance, "\(record.name), expert \(expert): \(ours), \(value)")
        }
      }
    }
    #expect(largest > 0, "two different programs never agree in every bit; was anything compared?")
  }

  @Test("statistics of known data")
  func statistics() throws {
    let file = try ImportanceFile(
      format: .gguf,
      records: [
        // Means 1, 1, 1, 5 over the expert with data; total 8, mean 2, variance 3.
        ImportanceRecord(name: "blk.1.ffn_up_exps.weight", sums: [0, 0, 0, 0, 2, 2, 2, 10], counts: [0, 2]),
        ImportanceRecord(name: "blk.0.ffn_up_exps.weight", sums: [0, 0, 0, 0, 2, 2, 2, 10], counts: [1, 1]),
        ImportanceRecord(name: "blk.0.blind.weight", sums: [0, 0], counts: [0]),
      ], datasets: [], chunkCount: 1, chunkSize: 2)
    let statistics = ImportanceStatistics(file)
    #expect(statistics.tensors.map(\.name) == ["blk.0.ffn_up_exps.weight", "blk.1.ffn_up_exps.weight"])
    let tensor = try #require(statistics.tensors.last)
    #expect(tensor.layer == 1 && tensor.part == "ffn_up_exps" && tensor.elements == 4)
    #expect(tensor.total == 8 && tensor.least == 1 && tensor.most == 5 && tensor.mean == 2)
    #expect(tensor.deviation == Float(3).squareRoot() && tensor.active == 1 && tensor.zScoreShare == 0.25)
    // H = 3/8 * 3 + 5/8 * log2(8/5) = 1.125 + 0.42379 bits.
    #expect(abs(tensor.entropy - 1.5488) < 1e-4 && abs(tensor.normalizedEntropy - 0.7744) < 1e-4)
    #expect(abs(tensor.cosineToPrevious - 1) < 1e-6)
    #expect(statistics.tensors.first?.active == 0.5)
    #expect(statistics.layers.map(\.layer) == [0, 1])
  }
}
