import FileBytes
import Foundation
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// A conversion recorded from llama.cpp's converter by `scripts/conformance-metadata.py --goldens`.
///
/// The folder holds the checkpoint's `config.json`, its tensors (`sources.txt`) and the resulting metadata and tensor
/// table (`gguf.txt`); the tokenizer is that of the sample checkpoint.
struct GoldenCase: CustomTestStringConvertible, Sendable {
  var name: String

  var testDescription: String { name }

  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  static let sample = repository.appendingPathComponent("samples/Pelican-10M-A5M").path

  private static let folder =
    Bundle.module.resourceURL?.appendingPathComponent("Golden") ?? URL(fileURLWithPath: "/")

  static let all: [GoldenCase] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted().map(GoldenCase.init)

  func path(_ file: String) -> String { Self.folder.appendingPathComponent(name + "/" + file).path }

  func config() throws -> ModelConfig { try ModelConfig(contentsOf: path("config.json")) }

  /// The tensors of the checkpoint.
  func sources() throws -> [SourceTensor] {
    try lines("sources.txt").map { line in
      let parts = line.split(separator: " ")
      guard parts.count == 3, let type = ElementType(rawValue: String(parts[1])) else {
        throw CocoaError(.fileReadCorruptFile)
      }
      return SourceTensor(
        name: String(parts[0]), elementType: type,
        shape: parts[2].split(separator: "x").compactMap { Int($0) })
    }
  }

  func lines(_ file: String) throws -> [String] {
    try String(contentsOfFile: path(file), encoding: .utf8).split(separator: "\n").map(String.init)
  }

  /// The keys that are written and that llama.cpp's converter does not write, though its loader reads them.
  var addedKeys: Set<String> {
    name == "mistral4"
      ? ["mistral4.attention.temperature_scale", "mistral4.attention.temperature_length"] : []
  }

  /// Whether the recording was made without the next-token block.
  var options: DescriptionOptions {
    DescriptionOptions(nextToken: name.contains("mtp") || name.contains("per-expert") ? .auto : .drop)
  }

  func map() throws -> CheckpointMap {
    try ModelDescription.describe(config: try config(), tensors: try sources(), options: options)
  }

  /// The same tensors with changes to the configuration, given as members of a JSON object.
  func map(changing changes: String) throws -> CheckpointMap {
    let members = try #require(try config().document.members)
    let changed = try #require(try JSONValue(parsing: Array("{\(changes)}".utf8), file: "changes").members)
    func merged(_ value: [String: JSONValue]) -> [String: JSONValue] {
      var result = value.merging(changed) { $1 }
      if let text = result["text_config"]?.members {
        result["text_config"] = .object(text.merging(changed) { $1 })
      }
      return result
    }
    let config = try ModelConfig(document: .object(merged(members)), file: "config.json")
    return try ModelDescription.describe(config: config, tensors: try sources(), options: options)
  }

  /// A checkpoint folder of the recorded name: the recording's own files, and the tokenizer of the sample unless the
  /// recording has one.
  func checkpointFolder(in temporary: TemporaryFolder) throws -> String {
    let folder = temporary.url.appendingPathComponent(name)
    let files = FileManager.default
    try files.createDirectory(at: folder, withIntermediateDirectories: true)
    let own = try files.contentsOfDirectory(atPath: Self.folder.appendingPathComponent(name).path)
      .filter { $0 != "gguf.txt" && $0 != "sources.txt" }
    for file in own {
      try files.copyItem(
        at: URL(fileURLWithPath: path(file)), to: folder.appendingPathComponent(file))
    }
    guard !own.contains("tokenizer_config.json") else { return folder.path }
    for file in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"] {
      try files.copyItem(
        at: URL(fileURLWithPath: Self.sample).appendingPathComponent(file),
        to: folder.appendingPathComponent(file))
    }
    return folder.path
  }
}

/// Metadata in the text form of the recordings.
enum GoldenText {
  static func line(_ entry: MetadataEntry) -> String {
    let (type, text) = describe(entry.value)
    return "\(entry.key) \(type) \(text)"
  }

  private static func describe(_ value: MetadataValue) -> (String, String) {
    switch value {
    case .uint32(let v): ("u32", "\(v)")
    case .int32(let v): ("i32", "\(v)")
    case .float32(let v): ("f32", hex(v))
    case .bool(let v): ("bool", "\(v)")
    case .string(let v): ("str", quoted(v))
    case .array(.string(let list)): ("arr[str]", array(list.map(quoted), raw: list.map { Array($0.utf8) }))
    case .array(.int32(let list)): ("arr[i32]", array(list.map { "\($0)" }))
    case .array(.bool(let list)): ("arr[bool]", array(list.map { "\($0)" }))
    case .array(.float32(let list)): ("arr[f32]", array(list.map(hex)))
    default: ("other", "\(value)")
    }
  }

  private static func hex(_ value: Float) -> String {
    let digits = String(value.bitPattern, radix: 16)
    return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
  }

  private static func array(_ shown: [String], raw: [[UInt8]]? = nil) -> String {
    guard shown.count > 64 else { return "[" + shown.joined(separator: ",") + "]" }
    let hash = fnv1a(raw ?? shown.map { Array($0.utf8) })
    return "\(shown.count) first \(shown[0]) last \(shown[shown.count - 1]) fnv \(hash)"
  }

  /// FNV-1a over the elements, each followed by a zero byte (64 bits).
  static func fnv1a(_ chunks: [[UInt8]]) -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for chunk in chunks {
      for byte in chunk + [0] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// JSON with everything but ASCII escaped, as Python writes it.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for unit in text.utf16 {
      switch unit {
      case 0x22: result += "\\\""
      case 0x5C: result += "\\\\"
      case 0x0A: result += "\\n"
      case 0x0D: result += "\\r"
      case 0x09: result += "\\t"
      case 0x08: result += "\\b"
      case 0x0C: result += "\\f"
      case 0x20..<0x7F: result += String(UnicodeScalar(UInt8(unit)))
      default:
        let digits = String(unit, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }
    }
    return result + "\""
  }
}
