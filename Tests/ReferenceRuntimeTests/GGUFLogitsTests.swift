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

/// Writes a loaded model's tensors as a GGUF of given types, and vectors that it does not have.
func writeGGUF(
  _ model: LoadedModel, to path: String, architecture metadata: [MetadataEntry], names: [String]? = nil,
  vectors: [String: [Float]] = [:], type: (String, [Int]) -> TensorType
) throws {
  let store = model.store
  var descriptions = (names ?? store.names).map { name in
    let shape = store.ggmlShape(of: name) ?? []
    return GGUFTensorDescription(name: name, type: type(name, shape), ggmlShape: shape)
  }
  for (name, values) in vectors {
    descriptions.append(GGUFTensorDescription(name: name, type: .f32, ggmlShape: [values.count]))
  }
  let header = try GGUFHeaderEncoder(metadata: metadata, tensors: descriptions)
  let file = try WritableFile(path: path, mode: .truncate)
  try header.bytes.withUnsafeBytes { try file.write($0, at: 0) }
  try file.preallocate(byteCount: header.fileByteCount)
  for info in header.tensors {
    let values = try vectors[info.name] ?? store.values(info.name)
    let bytes: [UInt8] =
      if info.type == .f32 {
        values.withUnsafeBytes { Array($0) }
      } else {
        try quantized(values, rowLength: info.ggmlShape[0], type: info.type)
      }
    try #require(bytes.count == info.byteCount)
    try bytes.withUnsafeBytes { try file.write($0, at: header.dataStart + info.offset) }
  }
}

func quantized(_ values: [Float], rowLength: Int, type: TensorType) throws -> [UInt8] {
  let count = try #require(type.rowByteCount(length: values.count))
  var bytes = [UInt8](repeating: 0, count: count)
  values.withUnsafeBufferPointer { values in
    bytes.withUnsafeMutableBytes { bytes in
      BlockQuantizer.quantize(
        type, rows: values, rowLength: rowLength, importance: nil, into: bytes)
    }
  }
  return bytes
}

/// Metadata enough to run a model, without a tokenizer.
func minimalMetadata(_ model: Architecture) -> [MetadataEntry] {
  let a = model.name
  var entries = [MetadataEntry("general.architecture", .string(a))]
  func add(_ key: String, _ value: Int) {
    entries.append(MetadataEntry("\(a).\(key)", .uint32(UInt32(value))))
  }
  add("block_count", model.layers.count)
  add("context_length", model.contextLength ?? 512)
  add("embedding_length", model.hiddenSize)
  if case .dense(let dense)? = model.layers.first?.feedForward { add("feed_forward_length", dense.width) }
  entries.append(
    MetadataEntry("\(a).attention.layer_norm_rms_epsilon", .float32(Float(model.normEpsilon))))
  if let attention = model.attentionLayers.first?.attention {
    add("attention.head_count", attention.headCount)
    add("attention.head_count_kv", attention.keyValueHeadCount)
    add("attention.key_length", attention.headDim)
    add("rope.dimension_count", attention.rotaryDimensions)
    entries.append(MetadataEntry("\(a).rope.freq_base", .float32(Float(attention.rope.theta))))
    if case .yarn(let yarn) = attention.rope.scaling {
      entries.append(MetadataEntry("\(a).rope.scaling.type", .string("yarn")))
      entries.append(MetadataEntry("\(a).rope.scaling.factor", .float32(Float(yarn.factor))))
      add("rope.scaling.original_context_length", yarn.originalContextLength)
    }
  }
  if let experts = model.experts {
    add("expert_count", experts.count)
    add("expert_used_count", experts.usedCount)
    add(a == "llama" ? "feed_forward_length" : "expert_feed_forward_length", experts.width)
    if let shared = experts.sharedWidth { add("expert_shared_feed_forward_length", shared) }
  }
  if let net = model.deltaNetLayers.first?.net {
    add("ssm.group_count", net.keyHeadCount)
    add("ssm.time_step_rank", net.valueHeadCount)
    add("ssm.state_size", net.keyDim)
    add("ssm.inner_size", net.valueWidth)
    add("ssm.conv_kernel", net.kernelLength)
    entries.append(
      MetadataEntry(
        "\(a).attention.recurrent_layers", .array(.bool(model.layers.map { $0.mixer.deltaNet != nil }))))
  }
  return entries
}

extension Architecture {
  /// What both a configuration and the keys of a GGUF say: all but biases and other spellings of rotary embeddings.
  var common: Architecture {
    var common = self
    common.tiedEmbeddings = false
    for index in common.layers.indices {
      guard case .attention(var part) = common.layers[index].mixer else { continue }
      (part.hasInputBias, part.hasOutputBias) = (false, false)
      part.rope = RopeParameters(theta: part.rope.theta)
      common.layers[index].mixer = .attention(part)
    }
    common.normEpsilon = Double(Float(normEpsilon))
    return common
  }
}

@Suite struct GGUFLogitsTests {
  @Test(arguments: GoldenModel.families)
  func fullPrecisionGGUFGivesTheCheckpointsBits(_ family: String) throws {
    let golden = try GoldenModel(family)
    let checkpoint = try LoadedModel.open(path: golden.folder)
    let folder = try TemporaryFolder()
    let path = folder.path("model.gguf")
    try writeGGUF(checkpoint, to: path, architecture: minimalMetadata(checkpoint.architecture)) { _, _ in .f32
    }
    let model = try LoadedModel.open(path: path)
    #expect(model.architecture.common == checkpoint.architecture.common)
    let logits = try [model, checkpoint].map {
      try Session(model: $0, contextLength: 64, threads: 1).evaluate(tokens: golden.tokens, logits: .all)
        .values
    }
    #expect(firstDifference(logits[0], logits[1]) == nil)
    #expect(relativeError(logits[0], golden.logits) <= GoldenLogitsTests.tolerance)
  }

  @Test func splitFilesGiveTheSameBits() throws {
    let golden = try GoldenModel("qwen3_next")
    let checkpoint = try LoadedModel.open(path: golden.folder)
    let folder = try TemporaryFolder()
    let names = checkpoint.store.names
    let parts = [Array(names[..<20]), Array(names[20...])]
    for (shard, part) in parts.enumerated() {
      let keys = [
        MetadataEntry("split.no", .uint16(UInt16(shard))), MetadataEntry("split.count", .uint16(2)),
        MetadataEntry("split.tensors.count", .int32(Int32(names.count))),
      ]
      try writeGGUF(
        checkpoint, to: folder.path("m-0000\(shard + 1)-of-00002.gguf"),
        architecture: (shard == 0 ? minimalMetadata(checkpoint.architecture) : []) + keys, names: part
      ) { _, _ in .f32 }
    }
    let model = try LoadedModel.open(path: folder.path("m-00001-of-00002.gguf"))
    let logits = try [model, checkpoint].map {
      try Session(model: $0, contextLength: 64, threads: 1).evaluate(tokens: golden.tokens, logits: .all)
        .values
    }
    #expect(firstDifference(logits[0], logits[1]) == nil)
    #expect(model.store.materializedByteCount == 0)
  }

  @Test func checkpointMatricesStayInTheMap() throws {
    let store = try LoadedModel.open(path: GoldenModel.sampleFolder).store
    // Value heads change places in four projections, a convolution and the output of each of two delta nets; the
    // rest is norms. Experts, attention, embedding and head, two thirds of the model and more, are not copied.
    #expect(store.materializedByteCount < store.mappedByteCount / 10)
    let stack = try store.experts("blk.0.ffn_up_exps.weight")
    #expect(stack.experts.count == 8)
    #expect(stack.experts.allSatisfy { $0.type == .bf16 && $0.rows == 256 && $0.columns == 256 })
    let down = try store.experts("blk.1.ffn_down_exps.weight")
    #expect(down.whole?.rows == 8 * 256)
    let before = store.materializedByteCount
    _ = try store.matrix("output.weight")
    #expect(store.materializedByteCount == before)
  }

  @Test func mixedQuantizationEqualsTransformersOnDequantizedWeights() throws {
    let golden = try GoldenModel("pelican")
    let text = try String(contentsOfFile: golden.folder + "/types-Q4_K_M.txt", encoding: .utf8)
    var types: [String: TensorType] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: " ")
      types[String(parts[0])] = TensorType(name: String(parts[1]))
    }
    let checkpoint = try LoadedModel.open(path: GoldenModel.sampleFolder)
    #expect(Set(types.keys) == Set(checkpoint.store.names))
    let folder = try TemporaryFolder()
    let path = folder.path("model.gguf")
    try writeGGUF(checkpoint, to: path, architecture: minimalMetadata(checkpoint.architecture)) { name, _ in
      types[name] ?? .f32
    }
    let model = try LoadedModel.open(path: path)
    let wanted = try GoldenModel.floats(URL(fileURLWithPath: golden.folder + "/logits-Q4_K_M.f32"))

    let exact = try Session(model: model, contextLength: 64, mode: .exact, threads: 2)
    let error = relativeError(sampleRows(try exact.evaluate(tokens: golden.tokens, logits: .all)), wanted)
    print("golden pelican Q4_K_M: relative error \(error)")
    #expect(error <= 1e-4)

    // 8-bit activations are a visible change, and no more than that.
    let fast = try Session(model: model, contextLength: 64, mode: .fast, threads: 2)
    let fastError = relativeError(sampleRows(try fast.evaluate(tokens: golden.tokens, logits: .all)), wanted)
    print("golden pelican Q4_K_M fast: relative error \(fastError)")
    #expect(fastError > 1e-4 && fastError < 0.05)

    // Quantized weights, all block sizes at once: pieces, threads.
    let whole = try Session(model: model, contextLength: 64, mode: .fast, threads: 1).evaluate(
      tokens: golden.tokens, logits: .all)
    let session = try Session(model: model, contextLength: 64, mode: .fast, threads: 2)
    var pieces = try session.evaluate(tokens: Array(golden.tokens[0..<37]), logits: .all).values
    for token in golden.tokens[37...] { pieces += try session.evaluate(tokens: [token], logits: .all).values }
    #expect(firstDifference(pieces, whole.values) == nil)
  }
}
