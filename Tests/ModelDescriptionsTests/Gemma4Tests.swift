import FileBytes
import Foundation
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

@Suite("Gemma 4")
struct Gemma4Tests {
  private func failure(_ changes: String) -> DescriptionError? {
    do {
      _ = try GoldenCase(name: "gemma4_moe").map(changing: changes)
      return nil
    } catch { return error as? DescriptionError }
  }

  @Test("Layers with and without a window have heads of their own")
  func layers() throws {
    let model = try GoldenCase(name: "gemma4_moe").map().model
    let sliding = try #require(model.slidingAttention)
    #expect(sliding.headDim == 64 && sliding.keyValueHeadCount == 2 && sliding.hasValueProjection)
    #expect(model.attention.headDim == 128 && model.attention.keyValueHeadCount == 1)
    #expect(!model.attention.hasValueProjection && model.attention.normsValues && sliding.normsValues)
    #expect(model.windows == [128, nil, 128, nil])
    #expect(sliding.rope.theta == 1e4 && model.attention.rope.theta == 1e6)
    #expect(model.hasDenseBesideExperts && model.ends.logitCap == 30)
    #expect(model.ends.embeddingScale == 16)
    #expect(try GoldenCase(name: "gemma4").map().model.experts == nil)
  }

  @Test("Sizes of full layers are read from per_layer_config, too")
  func perLayer() throws {
    let said = """
      "global_head_dim": null, "num_global_key_value_heads": null, "per_layer_config": {
        "1": {"head_dim": 128, "num_key_value_heads": 1}, "3": {"head_dim": 128, "num_key_value_heads": 1}}
      """
    let golden = GoldenCase(name: "gemma4_moe")
    #expect(try golden.map(changing: said).model == golden.map().model)
    let torn = #""per_layer_config": {"1": {"head_dim": 128}, "3": {"head_dim": 64}}"#
    #expect(failure(torn)?.fault.subject == "per_layer_config")
    #expect(
      failure(#""per_layer_config": {"1": {"head_dim": -2}, "3": {"head_dim": -2}}"#)?.code == .invalidConfig)
  }

  @Test("Other forms of the architecture are refused by name")
  func refused() {
    for (changes, key, code) in [
      (#""num_kv_shared_layers": 2"#, "num_kv_shared_layers", DescriptionError.Code.notSupported),
      (#""hidden_size_per_layer_input": 256"#, "hidden_size_per_layer_input", .notSupported),
      (#""attention_k_eq_v": false"#, "attention_k_eq_v", .invalidConfig),
      (#""use_bidirectional_attention": "all""#, "use_bidirectional_attention", .invalidConfig),
      (#""num_global_key_value_heads": 3"#, "num_global_key_value_heads", .invalidConfig),
      (
        #""rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e6}, "#
          + #""sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}"#, "rope_parameters",
        .invalidConfig
      ),
    ] {
      let error = failure(changes)
      #expect(error?.fault.subject.description == key, "\(changes): \(String(describing: error))")
      #expect(error?.code == code, "\(changes)")
    }
  }

  @Test("A configuration without a limit on logits is told that llama.cpp takes 30")
  func cap() throws {
    let golden = GoldenCase(name: "gemma4_moe")
    #expect(!(try golden.map().losses.contains { $0.key == "final_logit_softcapping" }))
    let losses = try golden.map(changing: #""final_logit_softcapping": null"#).losses
    #expect(losses.contains { $0.key == "final_logit_softcapping" })
  }

  @Test("Files with parts of the small models are refused by name")
  func files() throws {
    let golden = GoldenCase(name: "gemma4")
    let temporary = try TemporaryFolder()
    let entries = try CheckpointMetadata.entriesWithoutVocabulary(
      files: try TokenizerFolder(temporary.url.path), config: golden.config(), map: golden.map(),
      options: .init(fileType: 1))
    _ = try HyperParameters(metadata: entries, embeddingRows: 1027, file: "x.gguf")
    for (key, value, code) in [
      ("attention.shared_kv_layers", MetadataValue.uint32(2), DescriptionError.Code.notSupported),
      ("embedding_length_per_layer_input", .uint32(256), .notSupported),
      ("attention.sliding_window", .uint32(0), .invalidMetadata),
      ("attention.sliding_window_pattern", .array(.bool([true])), .invalidMetadata),
    ] {
      let name = "gemma4." + key
      let changed = entries.map { $0.key == name ? MetadataEntry(name, value) : $0 }
      let error = #expect(throws: DescriptionError.self, "\(key)") {
        _ = try HyperParameters(metadata: changed, embeddingRows: 1027, file: "x.gguf")
      }
      #expect(error?.code == code && error?.fault.subject.description == name, "\(String(describing: error))")
    }
  }
}
