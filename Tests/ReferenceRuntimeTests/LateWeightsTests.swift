import FileBytes
import ReferenceRuntime
import TensorCompute
import TestSupport
import Testing

/// Weights that are copied or inflated layer by layer give the bits of those that are all there.
@Suite struct LateWeightsTests {
  private func expectSameBits(_ folder: String, _ tokens: [Int32]) throws {
    let session = try Session(model: try LoadedModel.open(path: folder), contextLength: 64, threads: 1)
    let expected = try session.evaluate(tokens: tokens, logits: .all).values
    // Nothing of a compressed shard is kept but scales.
    let late = try LoadedModel.open(path: folder, late: LateWeights(keptByteCount: 0))
    let atFirst = late.store.materializedByteCount
    let group = GroupSession(
      model: late, contextLength: 64, threads: 2, options: GroupOptions(givesWeightsBack: true))
    for run in 0..<2 {
      #expect(try group.run([tokens, Array(tokens.prefix(9)), tokens]))
      for sequence in [2, 0] {
        let found = try group.logits(sequence: sequence, positions: 0..<tokens.count).values
        #expect(firstDifference(found, expected) == nil, "run \(run), sequence \(sequence)")
      }
      group.releaseOutput()
      #expect(late.store.materializedByteCount == atFirst)
    }
    // A pass that is ended leaves nothing behind either.
    #expect(try !group.run([tokens], onStep: { $0.layer < 1 }))
    #expect(late.store.materializedByteCount == atFirst)
    // One sequence alone has everything made for good, and groups go on beside it.
    let alone = try Session(model: late, contextLength: 64, threads: 1)
    #expect(try group.run([tokens]))
    #expect(
      firstDifference(try group.logits(sequence: 0, positions: 0..<tokens.count).values, expected) == nil)
    #expect(firstDifference(try alone.evaluate(tokens: tokens, logits: .all).values, expected) == nil)
  }

  @Test(arguments: GoldenModel.families + GoldenModel.variants + GoldenModel.others)
  func everyFamily(_ family: String) throws {
    let golden = try GoldenModel(family)
    try expectSameBits(golden.folder, golden.tokens)
  }

  @Test(arguments: ["llama", "qwen3_moe", "qwen3_next", "qwen3_5_moe", "deepseek_v3"], [false, true])
  func eightBitBlocks(_ family: String, _ isCompressed: Bool) throws {
    let golden = try GoldenModel(family)
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    stored.storeAsFP8(blockRows: 16, blockColumns: 20)
    let folder = try stored.write(in: parent, name: "fp8")
    if isCompressed { try StoredFormsTests.compress(folder) }
    try expectSameBits(folder, golden.tokens)
  }

  @Test(arguments: GoldenModel.families)
  func compressedShards(_ family: String) throws {
    let golden = try GoldenModel(family)
    let parent = try TemporaryFolder()
    let folder = try StoredCheckpoint(folder: golden.folder).write(in: parent, name: "zstd")
    try StoredFormsTests.compress(folder)
    try expectSameBits(folder, golden.tokens)
  }

  @Test(arguments: StoredForm.allCases, [false, true])
  func codes(_ form: StoredForm, _ isCompressed: Bool) throws {
    let golden = try GoldenModel("qwen3_moe")
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    _ = stored.store(as: form)
    let folder = try stored.write(in: parent, name: "codes")
    if isCompressed { try StoredFormsTests.compress(folder) }
    try expectSameBits(folder, golden.tokens)
  }

  @Test func damageIsFoundWhenTheLayerIsNeeded() throws {
    let golden = try GoldenModel("qwen3_moe")
    let parent = try TemporaryFolder()
    let weight = "model.layers.1.self_attn.k_proj.weight"
    var stored = try StoredCheckpoint(folder: golden.folder)
    stored.storeAsFP8()
    // The NaN of E4M3.
    stored.tensors[weight]?.bytes[5] = 0x7F
    let model = try LoadedModel.open(path: try stored.write(in: parent, name: "damaged"), isLate: true)
    let group = GroupSession(model: model, contextLength: 64, threads: 1)
    var layers: Set<Int> = []
    let error = #expect(throws: RuntimeError.self) {
      try group.run(
        [golden.tokens],
        onStep: { step in
          layers.insert(step.layer)
          return true
        })
    }
    #expect(error?.code == .nonFinite && layers == [0])
    #expect(error?.fault.subject == "blk.1.attn_k.weight, row 0")
    let whole = #expect(throws: RuntimeError.self) { try Session(model: model, contextLength: 8, threads: 1) }
    #expect(whole?.code == .nonFinite)
  }
}
