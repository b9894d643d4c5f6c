import Foundation
import ReferenceRuntime
import Testing

/// A tiny checkpoint with the logits that transformers computed for it; see scripts/make-golden-logits.py.
struct GoldenModel {
  static let families = [
    "llama", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next", "qwen3_5", "qwen3_5_moe",
  ]

  /// Models with windows and rotary embeddings that a GGUF cannot carry.
  static let variants = [
    "mistral-window", "qwen3-layer-types", "qwen2_moe-window", "qwen3_moe-longrope", "llama-proportional",
    "qwen2-dynamic", "qwen3-llama3", "qwen3-yarn",
  ]

  /// Every other golden on disk but the sample's: a family is covered from the day its golden is there.
  static let others: [String] = {
    guard let folder = Bundle.module.resourceURL?.appendingPathComponent("Golden").path,
      let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
    else { return [] }
    return Set(names).subtracting(families + variants + ["pelican"]).sorted()
  }()

  var folder: String
  var tokens: [Int32]
  var logits: [Float]

  init(_ name: String) throws {
    let golden = try #require(Bundle.module.resourceURL).appendingPathComponent("Golden/" + name)
    folder = golden.path
    tokens = try Data(contentsOf: golden.appendingPathComponent("tokens.i32")).withUnsafeBytes { bytes in
      (0..<(bytes.count / 4)).map {
        Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self))
      }
    }
    logits = try GoldenModel.floats(golden.appendingPathComponent("logits.f32"))
  }

  /// Little-endian floats of a file.
  static func floats(_ url: URL) throws -> [Float] {
    try Data(contentsOf: url).withUnsafeBytes { bytes in
      (0..<(bytes.count / 4)).map {
        Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)))
      }
    }
  }

  /// The sample checkpoint of the repository.
  static var sampleFolder: String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("samples/Pelican-10M-A5M").path
  }
}

/// `|a - b| / |b|` over all values.
func relativeError(_ a: [Float], _ b: [Float]) -> Double {
  var difference = 0.0
  var norm = 0.0
  for (x, y) in zip(a, b) {
    difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
    norm += Double(y) * Double(y)
  }
  return (difference / norm).squareRoot()
}

/// The first place where two lists differ in their bits, with both values.
func firstDifference(_ a: [Float], _ b: [Float]) -> String? {
  if a.count != b.count { return "\(a.count) and \(b.count) values" }
  for (index, (x, y)) in zip(a, b).enumerated() where x.bitPattern != y.bitPattern {
    return "at \(index): \(x) and \(y)"
  }
  return nil
}
