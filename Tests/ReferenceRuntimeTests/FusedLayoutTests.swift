import BlockQuantization
import FileBytes
import Foundation
import GGUFFormat
import ModelDescriptions
import ReferenceRuntime
import TensorCompute
import TensorTypes
import TestSupport
import Testing

/// Files that keep together what others have apart compute the same.
@Suite struct FusedLayoutTests {
  /// A tensor with its values, row by row.
  private struct Tensor {
    var name: String
    var shape: [Int]
    var values: [Float]

    var rowLength: Int { shape[0] }
    /// Rows of all matrices.
    func rows(_ range: Range<Int>) -> ArraySlice<Float> {
      values[(range.lowerBound * rowLength)..<(range.upperBound * rowLength)]
    }
  }

  private func tensors(_ model: LoadedModel) throws -> [Tensor] {
    try model.store.names.map {
      Tensor(name: $0, shape: model.store.ggmlShape(of: $0) ?? [], values: try model.store.values($0))
    }
  }

  /// Puts `parts` behind each other, in each matrix or as one vector.
  private func joined(_ parts: [Tensor], as name: String) -> Tensor {
    let axis = parts[0].shape.count > 1 ? 1 : 0
    var shape = parts[0].shape
    shape[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
    guard axis == 1 else { return Tensor(name: name, shape: shape, values: parts.flatMap(\.values)) }
    var values: [Float] = []
    for matrix in 0..<shape.dropFirst(2).reduce(1, *) {
      for part in parts { values += part.rows((matrix * part.shape[1])..<((matrix + 1) * part.shape[1])) }
    }
    return Tensor(name: name, shape: shape, values: values)
  }

  /// For each key head its query, its key, the values of its value heads and their gates.
  private func interleaved(_ main: Tensor, _ gate: Tensor, _ net: GatedDeltaNet, as name: String)
    -> Tensor
  {
    let values = net.valueWidth / net.keyHeadCount
    var result: [Float] = []
    for head in 0..<net.keyHeadCount {
      result += main.rows((head * net.keyDim)..<((head + 1) * net.keyDim))
      result += main.rows((net.keyWidth + head * net.keyDim)..<(net.keyWidth + (head + 1) * net.keyDim))
      let first = 2 * net.keyWidth
      result += main.rows((first + head * values)..<(first + (head + 1) * values))
      result += gate.rows((head * values)..<((head + 1) * values))
    }
    return Tensor(name: name, shape: [main.rowLength, result.count / main.rowLength], values: result)
  }

  /// All that can be kept together, kept together; `suffix` of which tensors.
  private func fused(_ tensors: [Tensor], _ model: Architecture, _ suffixes: Set<String>) throws -> [Tensor] {
    var known = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
    func replace(_ part: String, _ others: [String], _ whole: String) {
      guard suffixes.contains(whole) else { return }
      for name in known.keys.sorted() where name.hasSuffix("." + part) {
        let block = String(name.dropLast(part.count))
        let parts = ([part] + others).compactMap { known[block + $0] }
        guard parts.count == others.count + 1 else { continue }
        for tensor in parts { known[tensor.name] = nil }
        let name = block + whole
        if whole == "ssm_in.weight", let net = model.deltaNetLayers.first?.net {
          known[name] = interleaved(parts[0], parts[1], net, as: name)
        } else {
          known[name] = joined(parts, as: name)
        }
      }
    }
    replace("attn_qkv.weight", ["attn_gate.weight"], "ssm_in.weight")
    replace("attn_q.weight", ["attn_k.weight", "attn_v.weight"], "attn_qkv.weight")
    replace("attn_q.bias", ["attn_k.bias", "attn_v.bias"], "attn_qkv.bias")
    replace("ffn_gate_exps.weight", ["ffn_up_exps.weight"], "ffn_gate_up_exps.weight")
    replace("ssm_dt.bias", [], "ssm_dt")
    return known.values.sorted { $0.name < $1.name }
  }

  private func write(
    _ tensors: [Tensor], metadata: [MetadataEntry], to path: String, matrices: TensorType
  ) throws {
    func type(_ tensor: Tensor) -> TensorType {
      tensor.shape.count > 1 && !tensor.name.hasSuffix("ssm_conv1d.weight") && tensor.rowLength % 32 == 0
        ? matrices : .f32
    }
    let header = try GGUFHeaderEncoder(
      metadata: metadata,
      tensors: tensors.map { GGUFTensorDescription(name: $0.name, type: type($0), ggmlShape: $0.shape) })
    let file = try WritableFile(path: path, mode: .truncate)
    try header.bytes.withUnsafeBytes { try file.write($0, at: 0) }
    try file.preallocate(byteCount: header.fileByteCount)
    for (tensor, info) in zip(tensors, header.tensors) {
      var bytes = [UInt8](repeating: 0, count: info.byteCount)
      tensor.values.withUnsafeBufferPointer { values in
        bytes.withUnsafeMutableBytes {
          BlockQuantizer.quantize(
            info.type, rows: values, rowLength: tensor.rowLength, importance: nil, into: $0)
        }
      }
      try bytes.withUnsafeBytes { try file.write($0, at: header.dataStart + info.offset) }
    }
  }

  private func logits(_ path: String, _ tokens: [Int32], _ mode: ComputeMode) throws -> [Float] {
    let model = try LoadedModel.open(path: path)
    return try Session(model: model, contextLength: 64, mode: mode, threads: 2)
      .evaluate(tokens: tokens, logits: .all).values
  }

  @Test(arguments: GoldenModel.families)
  func tensorsKeptTogetherGiveTheSameBits(_ family: String) throws {
    let golden = try GoldenModel(family)
    let checkpoint = try LoadedModel.open(path: golden.folder)
    let plain = try tensors(checkpoint)
    let metadata = minimalMetadata(checkpoint.architecture)
    let folder = try TemporaryFolder()
    let path = folder.path("model.gguf")
    let all: Set<String> = [
      "ssm_in.weight", "attn_qkv.weight", "attn_qkv.bias", "ffn_gate_up_exps.weight", "ssm_dt",
    ]
    // Interleaved projections are known to one architecture.
    let usable = checkpoint.architectureName == "qwen3next" ? all : all.subtracting(["ssm_in.weight"])
    for type in [TensorType.f32, .q8_0] {
      let mode: ComputeMode = type == .f32 ? .exact : .fast
      try write(plain, metadata: metadata, to: path, matrices: type)
      let wanted = try logits(path, golden.tokens, mode)
      for suffixes in [usable, ["attn_qkv.weight"], ["ffn_gate_up_exps.weight"]] {
        let changed = try fused(plain, checkpoint.architecture, suffixes)
        guard changed.count < plain.count else { continue }
        try write(changed, metadata: metadata, to: path, matrices: type)
        let found = try logits(path, golden.tokens, mode)
        #expect(firstDifference(found, wanted) == nil, "\(suffixes)")
      }
    }
  }

  @Test func copiesAreCountedAndOthersStayInTheMap() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("model.gguf")
    for (family, suffix, isCopied) in [
      ("qwen3_next", "ssm_in.weight", true), ("qwen3", "attn_qkv.weight", false),
      ("qwen3_moe", "ffn_gate_up_exps.weight", false),
    ] {
      let checkpoint = try LoadedModel.open(path: try GoldenModel(family).folder)
      let changed = try fused(try tensors(checkpoint), checkpoint.architecture, [suffix])
      try write(changed, metadata: minimalMetadata(checkpoint.architecture), to: path, matrices: .f32)
      let store = try LoadedModel.open(path: path).store
      let copied = changed.filter { $0.name.hasSuffix("." + suffix) && isCopied }
        .reduce(0) { $0 + 4 * $1.values.count }
      #expect(store.materializedByteCount == copied && (copied > 0) == isCopied)
    }
  }

  @Test func aWholeOfAnotherShapeIsNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("model.gguf")
    let checkpoint = try LoadedModel.open(path: try GoldenModel("qwen3").folder)
    var changed = try fused(try tensors(checkpoint), checkpoint.architecture, ["attn_qkv.weight"])
    let index = try #require(changed.firstIndex { $0.name == "blk.1.attn_qkv.weight" })
    changed[index].shape[1] -= 32
    changed[index].values.removeLast(32 * changed[index].rowLength)
    try write(changed, metadata: minimalMetadata(checkpoint.architecture), to: path, matrices: .f32)
    let error = #expect(throws: RuntimeError.self) { try LoadedModel.open(path: path) }
    #expect(error?.code == .wrongShape && error?.fault.subject == "blk.1.attn_qkv.weight")
  }

  /// Metadata and names as Ollama's converter writes them, with tensors of other parts of a model in the file.
  @Test func filesOfOllamasConverterGiveTheSameBits() throws {
    for family in ["qwen3_5_moe", "qwen3_5", "qwen3_next"] {
      let golden = try GoldenModel(family)
      let checkpoint = try LoadedModel.open(path: golden.folder)
      let model = checkpoint.architecture
      let plain = try tensors(checkpoint)
      var metadata = minimalMetadata(model)
      let folder = try TemporaryFolder()
      let path = folder.path("model.gguf")
      try write(plain, metadata: metadata, to: path, matrices: .f32)
      let wanted = try logits(path, golden.tokens, .exact)
      let prefix = model.name + "."
      metadata.removeAll {
        $0.key == prefix + "attention.recurrent_layers" || $0.key == prefix + "attention.head_count_kv"
      }
      metadata += [
        MetadataEntry(
          prefix + "attention.head_count_kv",
          .array(.uint32(model.layers.map { UInt32($0.mixer.attention?.keyValueHeadCount ?? 0) }))),
        MetadataEntry(prefix + "rope.dimension_sections", .array(.int32([11, 11, 10]))),
        MetadataEntry(prefix + "rope.mrope_interleaved", .bool(true)),
        MetadataEntry(prefix + "vision.block_count", .uint32(1)),
      ]
      if model.name != "qwen3next" {
        metadata.append(MetadataEntry(prefix + "ssm.v_head_reordered", .bool(true)))
      }
      let others = ["v.blk.0.attn_q.weight", "mm.0.weight", "mtp.fc.weight"].map {
        Tensor(name: $0, shape: [32, 4], values: [Float](repeating: 0.5, count: 128))
      }
      try write(try fused(plain, model, ["ssm_dt"]) + others, metadata: metadata, to: path, matrices: .f32)
      #expect(firstDifference(try logits(path, golden.tokens, .exact), wanted) == nil, "\(family)")
      // In another order of heads the same bytes are another model.
      metadata.removeAll { $0.key == prefix + "ssm.v_head_reordered" }
      metadata.append(
        MetadataEntry(prefix + "ssm.v_head_reordered", .bool(model.name == "qwen3next")))
      try write(plain, metadata: metadata, to: path, matrices: .f32)
      let hasOrders =
        model.deltaNetLayers.allSatisfy { $0.net.keyHeadCount > 1 && $0.net.repetition > 1 }
      #expect(hasOrders)
      #expect(firstDifference(try logits(path, golden.tokens, .exact), wanted) != nil, "\(family)")
    }
  }
}
