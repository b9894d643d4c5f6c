import CheckpointConversion
import FileBytes
import Foundation
import GGUFFormat
import ModelDescriptions
import QuantRecipes
import Synchronization
import TensorTypes
import TestSupport
import Testing

/// Vision towers, held against files of llama.cpp's converter that `scripts/conformance-metadata.py --mmproj` recorded.
@Suite struct VisionTests {
  /// A recorded checkpoint, with the name and the SHA-256 of what each type gives.
  struct Golden: CustomTestStringConvertible, Sendable {
    var name: String
    var testDescription: String { name }
    var folder: String { Self.place + "/" + name }

    static let place = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Golden").path
    static let all = ((try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []).sorted().map(
      Golden.init)

    func files() throws -> [(type: String, name: String, hash: String)] {
      try String(contentsOfFile: folder + "/files.txt", encoding: .utf8).split(separator: "\n").map {
        let parts = $0.split(separator: " ").map(String.init)
        return (parts[0], parts[1], parts[2])
      }
    }
  }

  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func prepare(_ source: String, _ types: [String], output: String? = nil) throws
    -> [PreparedConversion]
  {
    var request = ConversionRequest(source: source, outputType: .auto)
    request.outputPath = folder.path(output ?? "")
    return try ConversionPlanner.prepareVision(
      request, outputs: types.map { OutputChoice($0 == "auto" ? .auto : .mix(try StockMix(name: $0))) })
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
  }

  @Test func thereAreGoldens() { #expect(Golden.all.count >= 5) }

  @Test(arguments: Golden.all) func filesAreThoseOfTheConverter(_ golden: Golden) throws {
    let files = try golden.files()
    #expect(files.map(\.type) == ["auto", "bf16", "f32", "f16", "q8_0"])
    // The first type is that of another.
    let automatic = try #require(try prepare(golden.folder, ["auto"]).first)
    #expect(FileSystem.name(of: automatic.path) == files[0].name)
    let prepared = try prepare(golden.folder, files.dropFirst().map(\.type))
    _ = try PlanExecutor(prepared).run(ExecutionOptions(threadCount: 2))
    for file in files {
      #expect(SHA256.hexadecimalDigest(try contents(folder.path(file.name))) == file.hash, "\(file.type)")
    }
    #expect(try names() == Set(files.map(\.name)).sorted())
  }

  @Test func anInterruptedRunContinuesToTheSameBytes() throws {
    let golden = try #require(Golden.all.first { $0.name == "qwen3_vl-tower" })
    let file = try #require(try golden.files().first { $0.type == "q8_0" })
    var attempts = 0
    while FileSystem.kind(of: folder.path(file.name)) == .missing {
      attempts += 1
      try #require(attempts < 100)
      let tiles = Atomic<Int>(0)
      let options = ExecutionOptions(
        threadCount: 1, maxMemory: 400_000,
        onProgress: { _ in tiles.wrappingAdd(1, ordering: .relaxed) },
        isCancelled: { tiles.load(ordering: .relaxed) >= 20 })
      do {
        _ = try PlanExecutor(try prepare(golden.folder, ["q8_0"])).run(options)
      } catch let error as ConversionError where error.code == .interrupted {}
    }
    #expect(attempts > 1)
    #expect(SHA256.hexadecimalDigest(try contents(folder.path(file.name))) == file.hash)
    #expect(try names() == [file.name])
  }

  /// A copy of a golden whose tensors and settings may be changed.
  private func copy(
    _ name: String = "qwen3_vl-tower", config: [String: Any] = [:],
    change: (inout [String: TinyCheckpoint.Tensor]) throws -> Void = { _ in }
  ) throws -> String {
    let golden = try #require(Golden.all.first { $0.name == name })
    var stored = try StoredCheckpoint(folder: golden.folder)
    try change(&stored.tensors)
    stored.configChanges = config
    return try stored.write(in: folder, name: name)
  }

  @Test func oldNamesAreTheSame() throws {
    let file = try #require(try Golden.all.first { $0.name == "qwen3_vl-tower" }?.files().last)
    let source = try copy { tensors in
      for name in tensors.keys where name.hasPrefix("model.visual.") {
        tensors[String(name.dropFirst(6))] = tensors.removeValue(forKey: name)
      }
    }
    _ = try PlanExecutor(try prepare(source, ["q8_0"], output: "old.gguf")).run(
      ExecutionOptions(threadCount: 1))
    let golden = try GGUFSplitSet(path: folder.path("old.gguf"))
    #expect(golden.tensors.count == 58 && golden.value("general.type")?.text == "mmproj")
    // All of it lies in one shard now, in the same order as in several.
    #expect(file.type == "q8_0")
    let pieces = try #require(Golden.all.first { $0.name == "qwen3_vl-tower" })
    _ = try PlanExecutor(try prepare(pieces.folder, ["q8_0"], output: "new.gguf")).run(
      ExecutionOptions(threadCount: 1))
    func sorted(_ path: String) throws -> [String] {
      try GGUFSplitSet(path: path).tensors.map { "\($0.info.name) \($0.info.type) \($0.info.ggmlShape)" }
        .sorted()
    }
    #expect(try sorted(folder.path("old.gguf")) == sorted(folder.path("new.gguf")))
  }

  private func vision(_ changes: [String: Any]) -> [String: Any] {
    let own: [String: Any] = [
      "depth": 3, "hidden_size": 16, "intermediate_size": 48, "num_heads": 2, "patch_size": 4,
      "out_hidden_size": 32, "num_position_embeddings": 16, "deepstack_visual_indexes": [2, 0],
    ]
    return ["vision_config": own.merging(changes) { $1 }]
  }

  @Test func theSettingsAreThoseOfTheGolden() throws {
    let source = try copy(config: vision([:]))
    #expect(try prepare(source, ["f16"])[0].plan.tensors.count == 58)
  }

  @Test(arguments: [
    ("temporal_patch_size", "3"), ("in_channels", "1"), ("hidden_act", "\"silu\""), ("num_heads", "3"),
    ("deepstack_visual_indexes", "[0, 3]"), ("deepstack_visual_indexes", "[1, 1]"), ("depth", "0"),
    ("patch_size", "[4, 4]"), ("hidden_size", "-16"),
  ])
  func settingsThatMakeNoSenseAreRefused(key: String, value: String) throws {
    let parsed = try JSONSerialization.jsonObject(with: Data("[\(value)]".utf8)) as? [Any]
    let source = try copy(config: vision([key: try #require(parsed?.first)]))
    let error = #expect(throws: DescriptionError.self) { try prepare(source, ["f16"]) }
    #expect(error?.code == .invalidConfig && error?.fault.subject.description == "vision_config." + key)
    #expect(try names() == ["qwen3_vl-tower"])
  }

  @Test func modelsWithoutATowerAreRefused() throws {
    let text = #expect(throws: DescriptionError.self) {
      try prepare(SampleTests.sample, ["f16"])
    }
    #expect(text?.code == .notSupported && text?.fault.subject == "vision_config")
    #expect(text?.fault.remedy.contains("without the vision tower") == true)
    let other = #expect(throws: DescriptionError.self) {
      try prepare(try copy(config: ["architectures": ["Gemma4ForConditionalGeneration"]]), ["f16"])
    }
    #expect(other?.code == .notSupported && other?.fault.subject == "architectures")
  }

  @Test func tensorsThatDoNotFitAreNamed() throws {
    func problems(_ change: (inout [String: TinyCheckpoint.Tensor]) throws -> Void) throws -> [TensorProblem]
    {
      let source = try copy(change: change)
      let error = #expect(throws: DescriptionError.self) { try prepare(source, ["f16"]) }
      #expect(error?.code == .tensorMismatch)
      try FileManager.default.removeItem(atPath: source)
      return error?.problems ?? []
    }
    let norm = "model.visual.blocks.1.norm1.weight"
    #expect(try problems { $0[norm] = nil } == [.missing(name: "visual.blocks.1.norm1.weight")])
    #expect(
      try problems { $0["model.visual.blocks.3.norm1.weight"] = $0[norm] }
        == [.unknown(name: "model.visual.blocks.3.norm1.weight", nearest: "visual.blocks.0.norm1.weight")])
    #expect(
      try problems { $0[norm]?.shape = [4, 4] } == [.shape(name: norm, found: [4, 4], expected: [16])])
    #expect(
      try problems { $0["visual.blocks.1.norm1.weight"] = $0[norm] }.count == 1)
    #expect(
      try problems { tensors in
        for name in tensors.keys where name.hasPrefix("model.visual.") { tensors[name] = nil }
      }.isEmpty)
  }

  @Test func picturesNeedSettings() throws {
    let source = try copy()
    let file = source + "/preprocessor_config.json"
    try Data(#"{"image_mean": [0.5, 0.5], "image_std": [1, 1, 1]}"#.utf8).write(
      to: URL(fileURLWithPath: file))
    #expect(throws: DescriptionError.self) { try prepare(source, ["f16"]) }
    try FileManager.default.removeItem(atPath: file)
    let error = #expect(throws: DescriptionError.self) { try prepare(source, ["f16"]) }
    #expect(error?.fault.file.hasSuffix("preprocessor_config.json") == true)
    #expect(error?.fault.found == "no such file")
    // Another file may say it.
    try Data(#"{"image_processor": {"image_mean": [0.5, 0.25, 0], "image_std": [1, 1, 1]}}"#.utf8).write(
      to: URL(fileURLWithPath: source + "/processor_config.json"))
    let plan = try prepare(source, ["f16"])[0].plan
    let header = try GGUFHeader(parsing: plan.files[0].header, file: "", requireData: false)
    #expect(
      header.metadata.first { $0.key == "clip.vision.image_mean" }?.value == .array(.float32([0.5, 0.25, 0])))
  }

  @Test(arguments: ["q4_k_m", "mxfp4_moe"]) func otherTypesAreRefused(type: String) throws {
    let error = #expect(throws: ConversionError.self) { try prepare(try copy(), [type]) }
    #expect(error?.code == .badOption && error?.fault.expected.contains("q8_0") == true)
  }

  @Test func theLanguageModelSaysWhereTheTowerGoes() throws {
    let golden = try #require(Golden.all.first { $0.name == "qwen3_vl-tower" })
    let config = try ModelConfig(folder: golden.folder)
    let tensors = try StoredCheckpoint(folder: golden.folder).tensors.sorted { $0.key < $1.key }.compactMap {
      tensor in
      ElementType(rawValue: tensor.value.type).map {
        SourceTensor(name: tensor.key, elementType: $0, shape: tensor.value.shape)
      }
    }
    let map = try ModelDescription.describe(config: config, tensors: tensors)
    #expect(map.skipped.count == 57 && map.skipped.allSatisfy { $0.reason.contains("--mmproj") })
  }
}
