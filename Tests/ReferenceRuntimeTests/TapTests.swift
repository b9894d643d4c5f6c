import ModelDescriptions
import ReferenceRuntime
import Testing

/// Remembers what it is shown.
private final class Recorder: TapObserver {
  var wanted: (String) -> Bool
  var rows: [String: [Float]] = [:]
  var experts: [String: [Int]] = [:]
  var lengths: [String: Int] = [:]

  init(_ wanted: @escaping (String) -> Bool) { self.wanted = wanted }

  func wants(_ name: String) -> Bool { wanted(name) }

  func observe(_ name: String, _ rows: TapRows) {
    #expect(rows.values.count == rows.rowCount * rows.rowLength)
    self.rows[name, default: []] += rows.values
    lengths[name] = rows.rowLength
    if let experts = rows.experts {
      #expect(experts.count == rows.rowCount)
      self.experts[name, default: []] += experts
    }
  }
}

@Suite struct TapTests {
  @Test(arguments: ["qwen3_moe", "qwen3_5_moe", "llama", "mixtral"])
  func everyMatrixShowsItsInput(_ family: String) throws {
    let golden = try GoldenModel(family)
    let model = try LoadedModel.open(path: golden.folder)
    let recorder = Recorder { _ in true }
    let session = try Session(model: model, contextLength: 64, threads: 1)
    session.observer = recorder
    let logits = try session.evaluate(tokens: golden.tokens, logits: .all)
    for name in model.store.names {
      let shape = try #require(model.store.ggmlShape(of: name))
      guard shape.count >= 2, name != "token_embd.weight", !name.contains("conv1d") else { continue }
      let rows = try #require(recorder.rows[name], "\(name)")
      #expect(recorder.lengths[name] == shape[0])
      let perToken = name.contains("_exps") ? try #require(model.architecture.experts).usedCount : 1
      #expect(rows.count == 64 * perToken * shape[0], "\(name)")
      #expect((recorder.experts[name] != nil) == name.contains("_exps"))
    }
    if let experts = recorder.experts["blk.0.ffn_gate_exps.weight"] {
      #expect(experts == recorder.experts["blk.0.ffn_down_exps.weight"])
      #expect(experts == experts.sorted())
    }
    // Watching changes nothing.
    let quiet = try Session(model: model, contextLength: 64, threads: 1)
    #expect(
      firstDifference(try quiet.evaluate(tokens: golden.tokens, logits: .all).values, logits.values) == nil)
  }

  @Test func expertRowsAreTheTokensThatChoseThem() throws {
    let golden = try GoldenModel("qwen3_moe")
    let model = try LoadedModel.open(path: golden.folder)
    let recorder = Recorder { $0.hasPrefix("blk.1.ffn") }
    let session = try Session(model: model, contextLength: 64, threads: 1)
    session.observer = recorder
    try session.evaluate(tokens: golden.tokens, logits: .none)
    let normed = try #require(recorder.rows["blk.1.ffn_norm"])
    let probabilities = try #require(recorder.rows["blk.1.ffn_probs"])
    let (width, count) = (model.architecture.hiddenSize, 8)
    var expected: [Float] = []
    for expert in 0..<count {
      for token in 0..<64 {
        let row = Array(probabilities[(token * count)..<((token + 1) * count)])
        let rank = row.indices.sorted { row[$0] > row[$1] }.firstIndex(of: expert) ?? count
        if rank < 3 { expected += normed[(token * width)..<((token + 1) * width)] }
      }
    }
    #expect(firstDifference(try #require(recorder.rows["blk.1.ffn_gate_exps.weight"]), expected) == nil)
    #expect(recorder.rows["blk.0.ffn_norm"] == nil)
  }
}
