import FileBytes
import Foundation
import GGUFFormat
import TensorTypes
import TestSupport

/// A small llama-like GGUF with random weights, for tests that need no checkpoint.
struct TinyGGUF {
  var tensors: [(name: String, shape: [Int], type: TensorType)] = [
    ("token_embd.weight", [256, 64], .bf16),
    ("blk.0.attn_q.weight", [256, 256], .bf16),
    ("blk.0.attn_v.weight", [256, 128], .bf16),
    ("blk.0.attn_norm.weight", [256], .f32),
    ("blk.0.ffn_down_exps.weight", [256, 96, 4], .bf16),
    ("blk.0.ffn_gate_exps.weight", [96, 256, 4], .bf16),
    ("output.weight", [256, 64], .bf16),
    ("output_norm.weight", [256], .f32),
  ]
  var seed: UInt64 = 1
  /// Changes a value: tensor, index, value.
  var poison: (tensor: String, index: Int, value: Float)?
  /// Multiplies some values of a tensor by a power of two, or by 0.
  var scaled: (tensor: String, indices: Range<Int>, factor: Float)?

  static let metadata: [MetadataEntry] = [
    MetadataEntry("general.architecture", .string("qwen3moe")),
    MetadataEntry("qwen3moe.block_count", .uint32(1)),
    MetadataEntry("qwen3moe.expert_count", .uint32(4)),
    MetadataEntry("qwen3moe.expert_used_count", .uint32(2)),
    MetadataEntry("qwen3moe.attention.head_count", .uint32(4)),
    MetadataEntry("qwen3moe.attention.head_count_kv", .uint32(2)),
    MetadataEntry("general.file_type", .uint32(32)),
  ]

  /// The f32 values of a tensor.
  func values(of name: String, count: Int) -> [Float] {
    var generator = SeededGenerator(seed: seed ^ name.utf8.reduce(UInt64(7)) { $0 &* 31 &+ UInt64($1) })
    var values = (0..<count).map { _ in
      // Rounded to bf16, so that every plain type holds the same values.
      let value = Float.random(in: -0.1...0.1, using: &generator)
      return Float(bitPattern: value.bitPattern & 0xFFFF_0000)
    }
    if let poison, poison.tensor == name { values[poison.index] = poison.value }
    if let scaled, scaled.tensor == name { for index in scaled.indices { values[index] *= scaled.factor } }
    return values
  }

  /// Writes the file and returns its path.
  func write(to folder: TemporaryFolder, name: String = "tiny.gguf") throws -> String {
    let header = try GGUFHeaderEncoder(
      metadata: Self.metadata,
      tensors: tensors.map { GGUFTensorDescription(name: $0.name, type: $0.type, ggmlShape: $0.shape) },
      dimensions: .trimmed, file: name)
    var bytes = header.bytes + [UInt8](repeating: 0, count: header.fileByteCount - header.dataStart)
    for (tensor, info) in zip(tensors, header.tensors) {
      var offset = header.dataStart + info.offset
      for value in values(of: tensor.name, count: tensor.shape.reduce(1, *)) {
        let bits = value.bitPattern
        if tensor.type == .f32 {
          for shift in stride(from: UInt32(0), to: 32, by: 8) {
            bytes[offset] = UInt8(truncatingIfNeeded: bits >> shift)
            offset += 1
          }
        } else {
          bytes[offset] = UInt8(truncatingIfNeeded: bits >> 16)
          bytes[offset + 1] = UInt8(truncatingIfNeeded: bits >> 24)
          offset += 2
        }
      }
    }
    return try folder.write(name, bytes)
  }
}

/// The bytes of a file.
func contents(_ path: String) throws -> [UInt8] {
  let file = try ReadableFile(path: path)
  return try file.bytes(at: 0, count: file.byteCount)
}
