import ModelDescriptions
import TensorTypes
import TestSupport
import Testing

@Suite("What tensors are for")
struct TensorPurposeTests {
  /// Rules say of their tensors what llama.cpp's names say, so a file has the same roles whoever describes it.
  @Test("Slots and names agree in every family", arguments: GoldenCase.all)
  func agreement(_ golden: GoldenCase) throws {
    let map = try golden.map()
    let names = map.outputs.map(\.name)
    let byName = TensorPurposes(names: names)
    let ofFile = TensorPurposes(family: map.family, model: map.model, names: names)
    for output in map.outputs {
      let guess = byName[output.name]
      #expect(guess.role == output.slot.role, "\(output.name)")
      #expect(guess.use == output.slot.use, "\(output.name)")
      #expect(guess.block == output.block, "\(output.name)")
      #expect(guess.slot == nil || guess.slot == output.slot, "\(output.name)")
      // The file that is written says of itself what the checkpoint's plan says.
      #expect(ofFile[output.name] == output.purpose, "\(output.name)")
      if output.ggmlShape.count == 1 { #expect(output.storage == .alwaysF32, "\(output.name)") }
    }
  }

  @Test("Tensors that are kept together have a slot of their own")
  func joint() throws {
    let map = try GoldenCase(name: "qwen3_moe").map()
    let purposes = TensorPurposes(family: map.family, model: map.model, names: [])
    #expect(purposes["blk.1.attn_qkv.weight"] == TensorPurpose(.queryKeyValue, block: 1))
    #expect(purposes["blk.0.ffn_gate_up_exps.weight"] == TensorPurpose(.expertGateUp, block: 0))
    let hybrid = try GoldenCase(name: "qwen3_next").map()
    let mixed = TensorPurposes(family: hybrid.family, model: hybrid.model, names: [])
    #expect(mixed["blk.0.ssm_in.weight"] == TensorPurpose(.deltaNetInputGate, block: 0))
    #expect(mixed["blk.0.attn_qkv.weight"].role == .linearAttention)
    #expect(mixed["blk.1.attn_qkv.weight"].role == .attention)
  }

  @Test("Names decide for architectures that are not described")
  func names() {
    let names = ["blk.0.ssm_a", "blk.0.attn_qkv.weight", "blk.1.attn_qkv.weight", "blk.1.attn_kv_b.weight"]
    let metadata = [MetadataEntry("general.architecture", .string("not-described"))]
    let purposes = TensorPurposes(metadata: metadata, names: names)
    #expect(names.map { purposes[$0].role } == [.linearAttention, .linearAttention, .attention, .attention])
    #expect(names.map { purposes[$0].slot } == [nil, .deltaNetInput, .queryKeyValue, .latentKeyValue])
    #expect(names.map { purposes[$0].block } == [0, 0, 1, 1])
    #expect(purposes["blk.2.ffn_mystery.weight"].role == .feedForward)
    #expect(purposes["per_layer_token_embd.weight"].role == .tokenEmbedding)
  }

  @Test("What a file has besides what its family makes goes by its name")
  func besides() throws {
    let map = try GoldenCase(name: "qwen3").map()
    let purposes = TensorPurposes(family: map.family, model: map.model, names: [])
    #expect(purposes["blk.0.attn_q.scale"].use == .elementwise)
    #expect(purposes["blk.0.attn_q.scale"].role == .attention)
    #expect(purposes["v.patch_embd.weight"].role == .vision)
  }
}
