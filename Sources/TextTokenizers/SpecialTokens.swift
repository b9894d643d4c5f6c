internal import FileBytes
package import TensorTypes

/// The special token ids, the add-BOS/EOS switches and the chat template of a checkpoint.
///
/// Resolution order for an id: the text that `tokenizer_config.json` names, looked up among the added tokens of
/// `tokenizer.json`; then the number in `config.json` or its `text_config`. The first value found stays. Lists of
/// numbers are not used. Whether BOS and EOS are added follows the post-processor, then `tokenizer_config.json`.
package struct SpecialTokens: Sendable {
  /// The ids found, in the order in which they were found, by role (`bos`, `eos`, …).
  package private(set) var ids: [(role: String, id: Int)] = []
  /// The ids found that are at or above the limit, and so in no vocabulary that is written.
  private(set) var dropped: [(role: String, id: Int)] = []
  /// The switches found, in the order in which they were found, by role.
  package private(set) var additions: [(role: String, add: Bool)] = []
  /// The templates; one without a name is the only one.
  package private(set) var templates: [(name: String, template: String)] = []
  private var hasNamedTemplates = false
  private var lowercase: Bool?
  private var stripAccents: Bool?

  private var roles = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"]
  private let vocabularyLimit: Int?

  /// Reads the files of a checkpoint.
  ///
  /// - Parameters:
  ///   - files: The tokenizer files.
  ///   - vocabularyLimit: Ids at or above this are dropped; `nil` keeps all.
  ///   - spares: The tokens that a family takes for roles that the files leave open; those not in the vocabulary do
  ///     not count.
  /// - Throws: `FileError` or ``TokenizerError`` for files that cannot be read.
  package init(
    files: TokenizerFolder, vocabularyLimit: Int? = nil, spares: [(role: String, text: String)] = []
  ) throws {
    self.vocabularyLimit = vocabularyLimit
    var texts = RoleTexts(config: files.tokenizerConfig)
    if let tokenizer = files.tokenizer {
      readNormalizer(tokenizer.normalizer, depth: 0)
      texts.inheritClassifierTokens()
      readPostProcessor(tokenizer.postProcessor, &texts)
    }
    if files.tokenizerConfig != nil {
      try readTemplates(files)
      readTokenizerConfig(files, texts)
    }
    try readModelConfig(files.modelConfig, file: files.path("config.json"))
    for (role, text) in spares {
      if let id = files.tokenizer?.addedTokenID(text) { set(role, id) }
    }
  }

  /// The texts of the special tokens, which the post-processor may amend.
  private struct RoleTexts {
    var hasConfig: Bool
    var text: [String: String] = [:]

    init(config: JSONValue?) {
      hasConfig = config != nil
      for (key, value) in config?.members ?? [:] where key.hasSuffix("_token") && !key.hasPrefix("add_") {
        if let content = value.text ?? value["content"]?.text { text[String(key.dropLast(6))] = content }
      }
    }

    func given(_ role: String) -> String? {
      guard let value = text[role], !value.isEmpty else { return nil }
      return value
    }

    mutating func inheritClassifierTokens() {
      if given("bos") == nil, let classifier = given("cls") { text["bos"] = classifier }
      if given("eos") == nil, let separator = given("sep") { text["eos"] = separator }
    }
  }

  private mutating func set(_ role: String, _ id: Int) {
    if let limit = vocabularyLimit, id >= limit {
      if !dropped.contains(where: { $0.role == role }) { dropped.append((role, id)) }
      return
    }
    guard !ids.contains(where: { $0.role == role }) else { return }
    ids.append((role, id))
  }

  private mutating func setAddition(_ role: String, _ add: Bool, keep: Bool = false) {
    if let index = additions.firstIndex(where: { $0.role == role }) {
      if !keep { additions[index].add = add }
    } else {
      additions.append((role, add))
    }
  }

  private mutating func readNormalizer(_ value: JSONValue, depth: Int) {
    switch value["type"]?.text {
    case "Lowercase": lowercase = true
    case "StripAccents": stripAccents = true
    case "BertNormalizer":
      lowercase = value["lowercase"]?.flag ?? lowercase
      stripAccents = value["strip_accents"]?.flag ?? stripAccents
    case "Sequence" where depth < 8:
      for part in value["normalizers"]?.elements ?? [] { readNormalizer(part, depth: depth + 1) }
    default: break
    }
  }

  private mutating func readPostProcessor(_ value: JSONValue, _ texts: inout RoleTexts) {
    guard value != .null else { return }
    for processor in value["processors"]?.elements ?? [value] {
      switch processor["type"]?.text {
      case "ByteLevel":
        setAddition("bos", false, keep: true)
        setAddition("eos", false, keep: true)
      case "RobertaProcessing":
        for role in ["bos", "eos", "sep"] { setAddition(role, true) }
        if texts.given("cls") == nil { texts.text["cls"] = processor["cls"]?.elements?.first?.text }
        if texts.given("sep") == nil { texts.text["sep"] = processor["sep"]?.elements?.first?.text }
      case "TemplateProcessing":
        readTemplateProcessing(processor, &texts)
      default: break
      }
    }
  }

  private mutating func readTemplateProcessing(_ processor: JSONValue, _ texts: inout RoleTexts) {
    let single = processor["single"]?.elements ?? []
    guard single.count > 1 else { return readPair(processor, first: nil, last: nil, &texts) }
    func specialToken(_ item: JSONValue?) -> String? { item?["SpecialToken"]?["id"]?.text }
    let first = specialToken(single.first)
    let last = specialToken(single.last)
    if let first {
      let isKnown = { (texts: RoleTexts) in first == texts.given("bos") || first == texts.given("cls") }
      if !isKnown(texts) {
        if texts.given("bos") == nil { texts.text["bos"] = first }
        if texts.given("cls") == nil { texts.text["cls"] = first }
      }
      setAddition("bos", isKnown(texts))
    }
    if let last {
      if last != texts.given("eos") {
        // The old end-of-sequence token keeps a role of its own: it still ends a turn.
        for spare in ["eot", "eom"] where texts.hasConfig && !roles.contains(spare) {
          roles.append(spare)
          texts.text[spare] = texts.given("eos")
          break
        }
        texts.text["eos"] = last
      }
      setAddition("eos", true)
    }
    readPair(processor, first: first, last: last, &texts)
  }

  /// Whether a separator stands between the two parts of a pair.
  private mutating func readPair(
    _ processor: JSONValue, first: String?, last: String?, _ texts: inout RoleTexts
  ) {
    var pair = (processor["pair"]?.elements ?? [])[...]
    if let first, pair.first?["SpecialToken"]?["id"]?.text == first { pair.removeFirst() }
    if let last, pair.last?["SpecialToken"]?["id"]?.text == last { pair.removeLast() }
    guard pair.count > 2, pair.first?["Sequence"]?["id"]?.text == "A",
      pair.last?["Sequence"]?["id"]?.text == "B"
    else { return }
    pair = pair.dropFirst().dropLast()
    let separators = [texts.given("sep"), texts.given("eos")].compactMap(\.self)
    var add = false
    if let entry = pair.first?["SpecialToken"]?["id"]?.text, separators.contains(entry), last == nil {
      add = true
    }
    if pair.count == 2, let entry = pair.last?["SpecialToken"]?["id"]?.text, separators.contains(entry) {
      add = true
    }
    setAddition("sep", add)
    if add, texts.given("sep") == nil { texts.text["sep"] = texts.given("eos") }
  }

  private mutating func readTemplates(_ files: TokenizerFolder) throws {
    if files.tokenizerConfig?.hasKey("chat_template") == true {
      read(template: files.tokenizerConfig?["chat_template"])
      return
    }
    let jinja = files.path("chat_template.jinja")
    let json = files.path("chat_template.json")
    if FileSystem.isEntry(jinja) {
      let main = try TokenizerFolder.text(of: jinja)
      let extra = try files.additionalTemplates()
      hasNamedTemplates = !extra.isEmpty
      templates = [("default", main)] + extra
    } else if FileSystem.isEntry(json) {
      read(template: try JSONValue(contentsOf: json)["chat_template"])
    }
  }

  private mutating func read(template: JSONValue?) {
    if let text = template?.text {
      templates = [("default", text)]
    } else if let list = template?.elements {
      hasNamedTemplates = true
      templates = list.compactMap { entry in
        guard let name = entry["name"]?.text, let text = entry["template"]?.text else { return nil }
        return (name, text)
      }
    }
  }

  private mutating func readTokenizerConfig(_ files: TokenizerFolder, _ texts: RoleTexts) {
    for role in roles {
      if let add = files.tokenizerConfig?["add_\(role)_token"]?.flag { setAddition(role, add, keep: true) }
      guard let content = texts.text[role], let id = files.tokenizer?.addedTokenID(content) else { continue }
      set(role, id)
    }
  }

  private mutating func readModelConfig(_ config: JSONValue?, file: String) throws {
    guard let config else { return }
    for role in roles {
      guard let id = (config["\(role)_token_id"] ?? config["text_config"]?["\(role)_token_id"])?.integer
      else {
        continue
      }
      guard id >= 0 else {
        throw TokenizerError(
          .invalidValue,
          Fault(file: file, subject: "\(role)_token_id", expected: "a token id, 0 or more", found: "\(id)"))
      }
      set(role, id)
    }
  }

  /// The GGUF keys, in the order in which llama.cpp's converter writes them.
  package var entries: [MetadataEntry] {
    let keys = [
      "bos": "bos", "eos": "eos", "unk": "unknown", "sep": "seperator", "pad": "padding", "mask": "mask",
      "eot": "eot", "eom": "eom",
    ]
    var result: [MetadataEntry] = []
    for (role, id) in ids {
      guard let key = keys[role], let value = UInt32(exactly: id) else { continue }
      result.append(MetadataEntry("tokenizer.ggml.\(key)_token_id", .uint32(value)))
    }
    for (role, add) in additions where ["bos", "eos", "sep"].contains(role) {
      result.append(MetadataEntry("tokenizer.ggml.add_\(role)_token", .bool(add)))
    }
    result += templateEntries
    if let lowercase { result.append(MetadataEntry("tokenizer.ggml.normalizer.lowercase", .bool(lowercase))) }
    if let stripAccents {
      result.append(MetadataEntry("tokenizer.ggml.normalizer.strip_accents", .bool(stripAccents)))
    }
    return result
  }

  private var templateEntries: [MetadataEntry] {
    var result: [MetadataEntry] = []
    var names: [String] = []
    for (name, template) in templates where name != "default" {
      let key = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
      guard !key.isEmpty, !template.isEmpty else { continue }
      if !names.contains(key) { names.append(key) }
      result.append(MetadataEntry("tokenizer.chat_template.\(key)", .string(template)))
    }
    if hasNamedTemplates, !names.isEmpty {
      result.append(MetadataEntry("tokenizer.chat_templates", .array(.string(names))))
    }
    if let main = templates.last(where: { $0.name == "default" })?.template, !main.isEmpty {
      result.append(MetadataEntry("tokenizer.chat_template", .string(main)))
    }
    return result
  }
}
