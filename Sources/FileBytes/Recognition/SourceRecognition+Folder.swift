extension SourceRecognition {
  /// Says what a folder is that is no checkpoint, or a checkpoint where a GGUF is wanted.
  package static func folder(_ path: String, wanted: Wanted) -> SourceRecognition {
    let names = FileSystem.contents(of: path)
    return hubCache(path, names) ?? otherModel(path, names, wanted) ?? otherFormat(path, names)
      ?? incomplete(path, names, wanted)
  }

  /// Folders of a Hugging Face cache above the snapshots.
  private static func hubCache(_ path: String, _ names: [String]) -> SourceRecognition? {
    let own = ModelFolder(path).name
    if let id = ModelFolder.repository(cacheFolder: own), names.contains("snapshots") {
      return snapshot(of: id, in: path)
    }
    let real = FileSystem.resolved(path)
    if own == "snapshots", case let parent = FileSystem.folder(of: real),
      let id = ModelFolder.repository(cacheFolder: FileSystem.name(of: parent))
    {
      return snapshot(of: id, in: path.hasPrefix("/") ? FileSystem.folder(of: path) : parent)
    }
    let models = names.filter { ModelFolder.repository(cacheFolder: $0) != nil }.sorted()
    guard let first = models.first else { return nil }
    let example =
      HubCache.snapshot(inFolder: path + "/" + first) ?? path + "/" + first + "/snapshots/…"
    return SourceRecognition(
      found: "a Hugging Face cache with \(models.count) model\(models.count == 1 ? "" : "s")",
      remedy: "give the snapshot of one, such as \(example)")
  }

  private static func snapshot(of id: String, in folder: String) -> SourceRecognition {
    let found = "the cache of \(id), whose files lie in a snapshot"
    if let snapshot = HubCache.snapshot(inFolder: folder) {
      return SourceRecognition(found: found, remedy: "give \(snapshot)")
    }
    let all = FileSystem.contents(of: folder + "/snapshots").sorted()
    return SourceRecognition(
      found: all.isEmpty ? "the cache of \(id), without any snapshot" : found,
      remedy: all.isEmpty
        ? "fetch it with: hf download \(id)" : "give one of \(folder)/snapshots: \(list(all))")
  }

  /// Folders that hold something else than a language model's weights.
  private static func otherModel(_ path: String, _ names: [String], _ wanted: Wanted) -> SourceRecognition? {
    let hasConfig = names.contains("config.json")
    if names.contains("adapter_config.json") {
      let base = text("base_model_name_or_path", in: path + "/adapter_config.json")
      let kind = text("peft_type", in: path + "/adapter_config.json").map { $0 == "LORA" ? "LoRA" : $0 }
      return SourceRecognition(
        found: "a \(kind ?? "PEFT") adapter" + (base.map { " for \($0)" } ?? "")
          + " (adapter_config.json), which changes a base model and is none itself",
        remedy:
          "merge it into its base model, for example with peft's merge_and_unload, and convert the result")
    }
    if names.contains("model_index.json") {
      let kind = text("_class_name", in: path + "/model_index.json").map { " (\($0))" } ?? ""
      return SourceRecognition(
        found: "a diffusers pipeline\(kind), which makes pictures, sound or video",
        remedy: "only language models are converted")
    }
    if !hasConfig, names.contains("modules.json") || names.contains("config_sentence_transformers.json") {
      return SourceRecognition(
        found: "a sentence-transformers folder, an embedding model whose parts lie in folders of their own",
        remedy: "give the folder of the part that has config.json, if it is of a supported family")
    }
    let ggufs = names.filter { $0.hasSuffix(".gguf") }.sorted()
    let hasWeights = names.contains { $0.hasSuffix(".safetensors") || $0.hasSuffix(".safetensors.zst") }
    if wanted == .gguf, hasConfig, hasWeights {
      return SourceRecognition(
        found: "the folder of a checkpoint", remedy: "pouch-convert makes a GGUF file of it")
    }
    guard !ggufs.isEmpty, !hasWeights else { return nil }
    return SourceRecognition(
      found: "a folder with \(ggufs.count) GGUF file\(ggufs.count == 1 ? "" : "s"): \(list(ggufs))",
      remedy: wanted == .checkpoint
        ? "pouch-quantize takes the file itself, \(ggufs[0])" : "give the file itself, \(ggufs[0])")
  }

  /// Folders of models in formats that are not read.
  private static func otherFormat(_ path: String, _ names: [String]) -> SourceRecognition? {
    func first(_ endings: String...) -> String? {
      names.filter { name in endings.contains(where: name.hasSuffix) }.sorted().first
    }
    guard
      first(".safetensors", ".safetensors.zst", ".safetensors.index.json") == nil
        || names.contains("params.json") && !names.contains("config.json")
    else { return nil }
    if names.contains("zero_to_fp32.py") || names.contains(where: { $0.hasPrefix("global_step") }) {
      return SourceRecognition(
        found: "a DeepSpeed checkpoint, whose weights are spread over optimizer states",
        remedy: "run its zero_to_fp32.py with --safe_serialization, and give the result's folder")
    }
    if names.contains("params.json"), let weights = first(".pth", ".safetensors") {
      return SourceRecognition(
        found: "a model in its maker's own layout (params.json, \(weights))",
        remedy: "fetch the version for transformers, which has config.json and model.safetensors")
    }
    if let weights = first(".bin", ".pth", ".pt", ".ckpt") {
      return SourceRecognition(
        found: "PyTorch weights alone (\(weights))",
        remedy: "save the model as safetensors, for example with transformers: "
          + "AutoModelForCausalLM.from_pretrained(folder, dtype=\"auto\").save_pretrained(new_folder)")
    }
    if let weights = first(".h5", ".msgpack", ".pb") {
      return SourceRecognition(
        found: "TensorFlow or Flax weights alone (\(weights))",
        remedy: "fetch the safetensors version of the model")
    }
    if let weights = first(".onnx", ".mlmodelc", ".mlpackage", ".engine", ".npz") {
      return SourceRecognition(
        found: "a model compiled for another program (\(weights))",
        remedy: "fetch the original checkpoint of the model")
    }
    return nil
  }

  /// Folders that lack what a checkpoint needs.
  private static func incomplete(_ path: String, _ names: [String], _ wanted: Wanted) -> SourceRecognition {
    guard !names.isEmpty else {
      return SourceRecognition(found: "an empty folder", remedy: "download the model into it first")
    }
    // A cache whose files were removed, or copied without what its links point at.
    let gone = names.filter { FileSystem.kind(of: path + "/" + $0) == .missing }.sorted()
    if !gone.isEmpty {
      return SourceRecognition(
        found: "links to files that are not there: \(list(gone))",
        remedy: "download the model again"
          + (ModelFolder(path).hubRepository.map { ": hf download \($0)" } ?? ""))
    }
    let weights = names.filter { $0.hasSuffix(".safetensors") || $0.hasSuffix(".safetensors.zst") }.sorted()
    if names.contains("config.json") {
      let index = names.contains("model.safetensors.index.json") ? ", its index" : ""
      return SourceRecognition(
        found: weights.isEmpty
          ? "config.json\(index) and no .safetensors file" : "config.json and only \(list(weights))",
        remedy: "fetch the model's .safetensors files into the folder")
    }
    let inner = names.filter { FileSystem.kind(of: "\(path)/\($0)/config.json") == .file }.sorted()
    if let last = inner.max(by: { number($0) < number($1) }) {
      return SourceRecognition(
        found: "no config.json, but folders that have one: \(list(inner))",
        remedy: "give one of them, such as \(path.hasSuffix("/") ? path : path + "/")\(last)")
    }
    if let first = weights.first {
      return SourceRecognition(
        found: "weights (\(first)) without their config.json",
        remedy: "fetch config.json and the tokenizer's files from the same place")
    }
    return SourceRecognition(found: "no config.json, only \(list(names.sorted()))", remedy: "")
  }

  /// The number at the end of names such as `checkpoint-500`.
  private static func number(_ name: String) -> Int {
    Int(String(name.reversed().prefix { $0.isNumber }.reversed())) ?? 0
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(6).joined(separator: ", ") + (names.count > 6 ? " and \(names.count - 6) more" : "")
  }

  /// The text under a key of a small JSON object; `nil` for anything else.
  private static func text(_ key: String, in path: String) -> String? {
    guard let file = try? ReadableFile(path: path), file.byteCount <= 1 << 20,
      let bytes = try? file.bytes(at: 0, count: file.byteCount)
    else { return nil }
    var found: String?
    bytes.withUnsafeBytes { buffer in
      var scanner = JSONScanner(buffer, file: path)
      try? scanner.forEachMember { name, scanner in
        if name == key, try scanner.peek() == UInt8(ascii: "\"") {
          found = try scanner.string()
        } else {
          try scanner.skipValue()
        }
      }
    }
    return found.flatMap { $0.isEmpty ? nil : $0 }
  }
}
