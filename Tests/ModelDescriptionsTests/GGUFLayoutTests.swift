import ModelDescriptions
import TensorTypes
import TestSupport
import Testing

@Suite("Layouts of a GGUF's tensors")
struct GGUFLayoutTests {
  private func model(_ name: String) throws -> (family: ModelFamily, model: HyperParameters) {
    let map = try GoldenCase(name: name).map()
    return (map.family, map.model)
  }

  /// The names of a plain file with some replaced.
  private func layout(_ name: String, fused: (Set<String>) -> Set<String>) throws -> GGUFLayout {
    let (family, model) = try model(name)
    let plain = Set(family.expectedTensors(model).filter { !$0.isOptional }.map(\.name))
    let names = fused(plain)
    return GGUFLayout(family: family, model: model) { names.contains($0) }
  }

  /// All that can be kept together, kept together.
  private func join(_ names: Set<String>) -> Set<String> {
    var result = names
    for name in names {
      for (part, whole, others) in [
        ("attn_q.weight", "attn_qkv.weight", ["attn_k.weight", "attn_v.weight"]),
        ("attn_q.bias", "attn_qkv.bias", ["attn_k.bias", "attn_v.bias"]),
        ("ffn_gate_exps.weight", "ffn_gate_up_exps.weight", ["ffn_up_exps.weight"]),
        ("ssm_dt.bias", "ssm_dt", []),
      ] where name.hasSuffix("." + part) {
        let block = name.dropLast(part.count)
        result.remove(name)
        for other in others { result.remove(block + other) }
        result.insert(block + whole)
      }
    }
    return result
  }

  @Test(
    "Parts have each row of the whole once",
    arguments: ["llama", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next", "qwen3_5_moe"])
  func partition(_ name: String) throws {
    let layout = try layout(name, fused: join)
    #expect(!layout.fused.isEmpty)
    for whole in layout.fused.values {
      let unit = try #require(whole.parts.last?.ggmlShape.first)
      // In units of the smallest part: rows of a matrix, pieces of a vector.
      let total = whole.ggmlShape.reduce(1, *) / unit
      var seen = [Int](repeating: 0, count: total)
      for part in whole.parts {
        let place = try #require(layout.place(of: part.name))
        #expect(place.tensor == whole.name && place.ggmlShape == part.ggmlShape)
        let rows = part.ggmlShape.dropFirst().reduce(1, *)
        let scale = part.ggmlShape[0] / unit
        for row in 0..<rows {
          let (first, count) = place.storedRows(from: row)
          #expect(count > 0)
          for piece in 0..<scale { seen[first * scale + piece] += 1 }
        }
      }
      #expect(seen.allSatisfy { $0 == 1 }, "\(whole.name)")
      #expect(whole.parts.reduce(0) { $0 + $1.ggmlShape.reduce(1, *) } == whole.ggmlShape.reduce(1, *))
    }
    // What is expected is what is there.
    let names = Set(layout.expected.map(\.name))
    for (whole, fused) in layout.fused {
      #expect(names.contains(whole))
      for part in fused.parts { #expect(!names.contains(part.name)) }
    }
  }

  /// Older files hold the checkpoint's tensor as it is: the rows of the two parts are those that a conversion reads.
  @Test("The interleaved projections of Qwen3-Next are the checkpoint's rows")
  func interleaved() throws {
    let map = try GoldenCase(name: "qwen3_next").map()
    let block = try #require(
      map.outputs.first { $0.name.hasSuffix(".ssm_conv1d.weight") }?.name.dropLast("ssm_conv1d.weight".count))
    let layout = try layout("qwen3_next") { names in
      var names = names
      names.remove(block + "attn_qkv.weight")
      names.remove(block + "attn_gate.weight")
      return names.union([block + "ssm_in.weight"])
    }
    for name in ["attn_qkv.weight", "attn_gate.weight"] {
      let place = try #require(layout.place(of: block + name))
      #expect(place.tensor == block + "ssm_in.weight")
      let output = try #require(map.outputs.first { $0.name == block + name })
      guard case .feed(let feed) = output.content else {
        Issue.record("no rows")
        continue
      }
      let source = feed.runs.flatMap { run in (0..<run.rowCount).map { run.sourceRow(at: $0) } }
      #expect(source == (0..<source.count).map { place.storedRows(from: $0).first })
    }
    let whole = try #require(layout.fused[block + "ssm_in.weight"])
    #expect(whole.isStandard && whole.ggmlShape.count == 2)
  }

  @Test("Which fused tensors llama.cpp reads")
  func standard() throws {
    for (name, wanted) in [
      ("qwen3_next", true), ("qwen3_5_moe", true), ("qwen3_moe", false), ("mixtral", false),
    ] {
      let layout = try layout(name, fused: join)
      let experts = layout.fused.filter { $0.key.hasSuffix("ffn_gate_up_exps.weight") }
      #expect(!experts.isEmpty && experts.values.allSatisfy { $0.isStandard == wanted }, "\(name)")
      for (key, whole) in layout.fused where key.contains("attn_qkv") { #expect(whole.isStandard) }
      for (key, whole) in layout.fused where key.hasSuffix("ssm_dt") { #expect(!whole.isStandard) }
    }
  }

  @Test("Joint biases are read beside a joint matrix alone")
  func biases() throws {
    for (joins, wanted) in [(true, true), (false, false)] {
      let layout = try layout("qwen2") { names in
        joins
          ? join(names)
          : join(names.filter { $0.hasSuffix("bias") })
            .union(names.filter { !$0.hasSuffix("bias") })
      }
      let biases = layout.fused.filter { $0.key.hasSuffix("attn_qkv.bias") }
      #expect(!biases.isEmpty && biases.values.allSatisfy { $0.isStandard == wanted })
    }
  }

  @Test("A whole beside its parts is none, and names of other parts of a model are told apart")
  func extras() throws {
    let both = try layout("qwen3") { $0.union(["blk.0.attn_qkv.weight"]) }
    #expect(both.fused.isEmpty && both.place(of: "blk.0.attn_q.weight") == nil)
    // In a linear layer the projection has this name anyway.
    let hybrid = try layout("qwen3_5_moe") { $0 }
    #expect(hybrid.fused.isEmpty)
    #expect(GGUFLayout.Extra(name: "v.blk.0.attn_qkv.weight") == .vision)
    #expect(GGUFLayout.Extra(name: "mm.0.weight") == .vision)
    #expect(GGUFLayout.Extra(name: "mtp.fc.weight") == .nextToken)
    #expect(GGUFLayout.Extra(name: "blk.3.nextn.eh_proj.weight") == nil)
    let purposes = TensorPurposes(names: [])
    #expect(purposes["v.blk.0.attn_qkv.weight"].role == .vision)
    #expect(purposes["mtp.layers.0.attn_q.weight"].role == .nextToken)
  }
}
