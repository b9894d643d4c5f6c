import CheckpointConversion
import FileBytes
import Foundation
import ModelDescriptions
import QuantRecipes
import SafetensorsFormat
import TensorTypes

/// A checkpoint in a folder of its own, with a tokenizer, which a conversion needs and goldens do without.
struct ConvertibleCheckpoint {
  let folder: String

  /// Copies all files of `source` and adds a tokenizer of a few characters.
  init(copying source: String, to folder: String) throws {
    self.folder = folder
    try FileManager.default.copyItem(atPath: source, toPath: folder)
    let classes = try ModelConfig(folder: folder).architecture ?? ""
    let tokenizer = classes.hasPrefix("Gemma") ? Self.gemmaTokenizer : Self.tokenizer
    try Data(tokenizer.utf8).write(to: URL(fileURLWithPath: folder + "/tokenizer.json"))
  }

  /// What a GGUF of this model cannot say.
  func losses() throws -> [ConfigurationLoss] {
    let checkpoint = try SafetensorsCheckpoint(folder: folder)
    let evidence = CheckpointEvidence(formats: checkpoint.formats) { try checkpoint.values(of: $0) }
    return try ModelDescription.describe(
      config: try ModelConfig(folder: folder), tensors: checkpoint.tensors.map(\.tensor),
      options: DescriptionOptions(nextToken: .drop, choices: checkpoint.choices), evidence: evidence
    ).losses
  }

  /// The conversion to a plain type.
  func plan(_ type: TensorType, to path: String) throws -> PreparedConversion {
    var request = ConversionRequest(source: folder, outputType: .mix(try StockMix(name: type.name)))
    request.outputPath = path
    // The splitting rule of a tokenizer of a few characters says nothing.
    request.preTokenizer = "default"
    return try ConversionPlanner.prepareCheckpoint(request)
  }

  /// Whether no value of a plan is rounded: each goes to f32, or stays in the type that it has.
  func isExact(_ plan: ConversionPlan) -> Bool {
    plan.tensors.allSatisfy { tensor in
      guard tensor.type != .f32, case .feed(let feed) = tensor.content else { return tensor.type == .f32 }
      return feed.operation == .identity
        && feed.runs.allSatisfy { run in
          guard run.scale == nil, case .element(let type) = plan.sources[run.source].encoding else {
            return false
          }
          return type.rawValue == tensor.type.name.uppercased()
        }
    }
  }

  private static let tokenizer = #"""
    {"version": "1.0", "added_tokens": [], "normalizer": null,
     "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true},
     "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true},
     "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3}, "merges": [["a", "b"]]}}
    """#

  private static let gemmaTokenizer = #"""
    {"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
     "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
     "model": {"type": "BPE", "byte_fallback": true, "merges": [["a", "b"]],
               "vocab": {"<pad>": 0, "<eos>": 1, "<bos>": 2, "a": 3, "b": 4, "c": 5, "ab": 6}}}
    """#
}
