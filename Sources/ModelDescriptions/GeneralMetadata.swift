internal import FileBytes
internal import Foundation
internal import TensorTypes
internal import TextTokenizers

/// The `general.*` entries: who made the model, what it is called, how it likes to be sampled.
///
/// Sources in order of precedence: a name given by the user, the model card, `_name_or_path` of `config.json`, the
/// name of the folder or, for a snapshot in a Hugging Face cache, of the repository.
struct GeneralMetadata {
  private var texts: [String: String] = [:]
  private var baseModels: [Origin]?
  private var datasets: [Origin]?
  private var tags: [String]?
  private var languages: [String]?
  private var sampling: [MetadataEntry] = []

  private struct Origin {
    var name: String?
    var version: String?
    var organization: String?
    var repository: String?
  }

  /// Collects the entries.
  ///
  /// - Parameters:
  ///   - files: The checkpoint folder.
  ///   - name: A name given by the user.
  ///   - outputs: Names and shapes of all output tensors.
  init(files: TokenizerFolder, name: String?, outputs: [(name: String, ggmlShape: [Int])]) {
    let count = outputs.reduce(0) { $0 + $1.ggmlShape.reduce(1, *) }
    let card = ModelCard(folder: files)
    read(card, parameterCount: count)
    if let path = files.modelConfig?["_name_or_path"]?.text, path.filter({ $0 == "/" }).count <= 1 {
      fill(ModelName(id: path, parameterCount: count))
    }
    // A snapshot in a cache is called after its commit; the repository's name says more.
    let folder = ModelFolder(files.folder)
    let folderName = folder.modelName
    fill(ModelName(id: folder.hubRepository ?? folderName, parameterCount: count))
    readSampling(files)
    if let name { texts["name"] = name }
    if texts["name"] == nil { texts["name"] = folderName }
    if texts["size_label"] == nil { texts["size_label"] = SizeLabel.label(outputs: outputs) }
  }

  private mutating func fill(_ name: ModelName) {
    func set(_ key: String, _ value: String?) {
      if texts[key] == nil, let value { texts[key] = value }
    }
    set("name", name.fullName.map(ModelName.title))
    set("organization", name.organization.map(ModelName.title))
    set("basename", name.basename)
    set("finetune", name.finetune)
    set("version", name.version)
    set("size_label", name.sizeLabel)
  }

  private mutating func read(_ card: ModelCard, parameterCount: Int) {
    func set(_ key: String, _ cardKey: String) {
      if texts[key] == nil, let value = card.text(cardKey) { texts[key] = value }
    }
    let plain = [
      "name", "author", "version", "organization", "description", "finetune", "basename", "size_label",
    ]
    let sources = ["url", "doi", "uuid", "repo_url"]
    for prefix in ["", "model_"] {
      for key in plain { set(key, prefix + key) }
      for key in sources { set("source." + key, prefix + key) }
    }
    set("author", "model_creator")
    set("basename", "model_type")
    func origins(_ keys: [String]) -> [Origin]? {
      guard keys.contains(where: { card.values[$0] != nil }) else { return nil }
      return (card.firstList(keys) ?? []).map { Self.origin($0, parameterCount: parameterCount) }
    }
    baseModels = origins(["base_model", "base_models", "base_model_sources"])
    datasets = origins(["datasets", "dataset", "dataset_sources"])
    texts["license"] = card.list("license")?.joined(separator: ",")
    set("license.name", "license_name")
    set("license.link", "license_link")
    for key in ["tags", "pipeline_tag"] {
      if let more = card.list(key) { tags = (tags ?? []) + more }
    }
    for key in ["languages", "language"] {
      if let more = card.list(key) { languages = (languages ?? []) + more }
    }
  }

  private static func origin(_ id: String, parameterCount: Int) -> Origin {
    var origin = Origin()
    let isURL = ["http://", "https://", "ssh://"].contains(where: id.hasPrefix)
    var hubID: String? = id
    if isURL {
      origin.repository = id
      hubID = id.wholeMatch(of: /https?:\/\/huggingface.co\/([^\/]+\/[^\/]+)/).map { String($0.output.1) }
    }
    guard let hubID else { return origin }
    let name = ModelName(id: hubID, parameterCount: parameterCount)
    origin.name = name.fullName.map(ModelName.title)
    origin.organization = name.organization.map(ModelName.title)
    origin.version = name.version
    if !isURL, let organization = name.organization, let full = name.fullName {
      origin.repository = "https://huggingface.co/\(organization)/\(full)"
    }
    return origin
  }

  private mutating func readSampling(_ files: TokenizerFolder) {
    let path = files.path("generation_config.json")
    // Not all models have a valid one; a broken one is no reason to refuse the weights.
    guard let config = try? JSONValue(contentsOf: path) else { return }
    let keys: [(key: String, from: [String], isInteger: Bool)] = [
      ("top_k", ["top_k"], true), ("top_p", ["top_p"], false), ("min_p", ["min_p"], false),
      ("xtc_probability", ["xtc_probability"], false), ("xtc_threshold", ["xtc_threshold"], false),
      ("temp", ["temperature"], false), ("penalty_last_n", ["penalty_last_n"], true),
      ("penalty_repeat", ["penalty_repeat", "repetition_penalty"], false), ("mirostat", ["mirostat"], true),
      ("mirostat_tau", ["mirostat_tau"], false), ("mirostat_eta", ["mirostat_eta"], false),
    ]
    if let sequence = config["sequence"]?.text, !sequence.isEmpty {
      sampling.append(MetadataEntry("general.sampling.sequence", .string(sequence)))
    }
    for (key, sources, isInteger) in keys {
      guard let source = sources.first(where: { config.hasKey($0) }), let value = config[source] else {
        continue
      }
      if isInteger {
        guard let number = value.integer.flatMap(Int32.init(exactly:)) else { continue }
        sampling.append(MetadataEntry("general.sampling.\(key)", .int32(number)))
      } else if let number = value.double, number.isFinite {
        sampling.append(MetadataEntry("general.sampling.\(key)", .float32(Float(number))))
      }
    }
  }

  /// The entries in the order in which llama.cpp's converter writes them, after `general.type`.
  var entries: [MetadataEntry] {
    var result = sampling
    func add(_ key: String, _ value: String?) {
      if let value, !value.isEmpty { result.append(MetadataEntry("general." + key, .string(value))) }
    }
    for key in [
      "name", "author", "version", "organization", "finetune", "basename", "description", "quantized_by",
      "size_label", "license", "license.name", "license.link", "source.url", "source.doi", "source.uuid",
      "source.repo_url",
    ] {
      add(key, texts[key])
    }
    func add(_ list: [Origin]?, under key: String) {
      guard let list else { return }
      result.append(MetadataEntry("general.\(key).count", .uint32(UInt32(list.count))))
      for (index, origin) in list.enumerated() {
        add("\(key).\(index).name", origin.name)
        add("\(key).\(index).version", origin.version)
        add("\(key).\(index).organization", origin.organization)
        add("\(key).\(index).repo_url", origin.repository)
      }
    }
    add(baseModels, under: "base_model")
    add(datasets, under: "dataset")
    if let tags, !tags.isEmpty { result.append(MetadataEntry("general.tags", .array(.string(tags)))) }
    if let languages, !languages.isEmpty {
      result.append(MetadataEntry("general.languages", .array(.string(languages))))
    }
    return result
  }
}
