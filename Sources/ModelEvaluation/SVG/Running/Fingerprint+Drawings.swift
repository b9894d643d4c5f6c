internal import FileBytes

extension Fingerprint {
  /// Fields that are looked at one by one.
  enum DrawingField: String {
    case version = "the version of Pouch"
    case model = "the model or its file"
    case vocabulary = "the vocabulary"
  }

  /// The value of a field; `nil` without it.
  subscript(_ field: DrawingField) -> String? { fields.first { $0.name == field.rawValue }?.value }

  /// Adds a field.
  mutating func add(_ field: DrawingField, _ hash: FieldHash) { add(field.rawValue, hash) }

  /// What a contestant's answers depend on.
  init(_ contestant: SVGContestant, _ prompts: PromptSet, _ options: SVGRunOptions, version: String) {
    self.init(task: "drawings", version: version)
    add("the prompts", XXHash64.text(prompts.hash), .named)
    add(DrawingField.model.rawValue, contestant.identity, .named)
    add(.mode, "\(contestant.mode)")
    add(.tokenLimit, "\(options.tokenLimit)")
    add(.sampleCount, "\(options.sampleCount)")
    add(.temperature, "\(options.temperature)")
    add(.seed, "\(options.seed)")
    add(.rawPrompts, options.usesChatTemplate ? "not given" : "given")
    add("the cache", "\(contestant.cacheType)")
  }
}
