internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import TensorTypes

extension Modelfile {
  /// The Modelfile of a planned GGUF, to be put beside it.
  ///
  /// - Parameters:
  ///   - plan: The plan of the language model.
  ///   - checkpoint: The folder that the model is from, for its license and the settings that a GGUF has no keys for;
  ///     `nil` for a GGUF.
  ///   - contextLength: Tokens that Ollama makes room for; `nil` for its own choice.
  /// - Throws: `GGUFError`, `FileError`; ``ConversionError`` with `badOption` for a vision tower alone.
  package init(plan: ConversionPlan, checkpoint: String?, contextLength: Int?) throws {
    let header = try GGUFHeader(parsing: plan.files[0].header, file: plan.path, requireData: false)
    let values = Dictionary(header.metadata.map { ($0.key, $0.value) }) { first, _ in first }
    guard plan.architecture != VisionTower.architecture else {
      throw ConversionError(
        .badOption,
        Fault(
          subject: "\(.modelfile)", expected: "the conversion of a language model",
          found: "that of a vision tower",
          remedy: "convert the tower first; a Modelfile of the language model names the mmproj file beside it"
        ))
    }
    self.init(plan.files.map { Instruction("from", "./" + FileSystem.name(of: $0.path)) })
    if let tower = Self.tower(beside: plan.path, values) {
      instructions.append(Instruction("from", "./" + tower))
    }
    func token(_ key: String) -> String {
      values[key]?.integer.flatMap { Self.tokenText($0, values) } ?? ""
    }
    let chat = OllamaChat.find(
      values["tokenizer.chat_template"]?.text, architecture: plan.architecture,
      bos: token("tokenizer.ggml.bos_token_id"), eos: token("tokenizer.ggml.eos_token_id"))
    switch chat {
    case .renderer(let name, let parser):
      instructions += [Instruction("renderer", name), Instruction("parser", parser)]
    case .template(let text): instructions.append(Instruction("template", text))
    case .none(let reason):
      comments.append("No TEMPLATE: \(reason). Ollama uses the Jinja template in the file where it can.")
    }
    let settings = checkpoint.flatMap { folder -> JSONValue? in
      let path = folder + "/generation_config.json"
      // A broken one is no reason to refuse the model.
      return FileSystem.isFile(path) ? try? JSONValue(contentsOf: path) : nil
    }
    instructions += Self.parameters(values, settings)
    if let contextLength { instructions.append(Instruction("parameter num_ctx", "\(contextLength)")) }
    instructions += Self.stops(values, settings).map { Instruction("parameter stop", $0) }
    if let license = try checkpoint.flatMap(Self.licenseFile) ?? Self.licenseName(values) {
      instructions.append(Instruction("license", license))
    }
  }

  /// The settings of sampling that the model's authors recommend, in the order of the documentation.
  private static func parameters(_ values: [String: MetadataValue], _ settings: JSONValue?) -> [Instruction] {
    let keys = [
      ("temperature", "temp"), ("top_k", "top_k"), ("top_p", "top_p"), ("min_p", "min_p"),
      ("repeat_penalty", "penalty_repeat"), ("repeat_last_n", "penalty_last_n"),
    ]
    var result = keys.compactMap { name, key in
      values["general.sampling." + key].flatMap(number).map { Instruction("parameter " + name, $0) }
    }
    for name in ["presence_penalty", "frequency_penalty"] {
      guard let value = settings?[name]?.double, value.isFinite else { continue }
      result.append(Instruction("parameter " + name, text(Float(value))))
    }
    // transformers takes the likeliest token then, whatever the other settings are.
    guard settings?["do_sample"]?.flag == false else { return result }
    result.removeAll { $0.name == "parameter temperature" }
    return [Instruction("parameter temperature", "0")] + result
  }

  private static func number(_ value: MetadataValue) -> String? {
    if let whole = value.integer { return "\(whole)" }
    if case .float32(let real) = value, real.isFinite { return text(real) }
    return nil
  }

  private static func text(_ real: Float) -> String { Int(exactly: real).map(String.init) ?? "\(real)" }

  /// The texts of the tokens that end an answer, each once.
  private static func stops(_ values: [String: MetadataValue], _ settings: JSONValue?) -> [String] {
    let stated = settings?["eos_token_id"]
    let ids =
      ["eos", "eot", "eom"].compactMap { values["tokenizer.ggml.\($0)_token_id"]?.integer }
      + (stated?.elements?.compactMap(\.integer) ?? [stated?.integer].compactMap(\.self))
    var texts: [String] = []
    for id in ids {
      guard let text = tokenText(id, values), quoted(text) != nil, !texts.contains(text),
        text.contains(where: { !$0.isWhitespace })
      else { continue }
      texts.append(text)
    }
    return texts
  }

  private static func tokenText(_ id: Int, _ values: [String: MetadataValue]) -> String? {
    guard case .array(.string(let tokens))? = values["tokenizer.ggml.tokens"], tokens.indices.contains(id)
    else { return nil }
    return tokens[id]
  }

  /// The text of the license that a checkpoint has beside its weights, as far as a Modelfile can hold it.
  private static func licenseFile(_ folder: String) throws -> String? {
    for name in ["LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "license.txt"] {
      let path = folder + "/" + name
      guard FileSystem.isFile(path) else { continue }
      let bytes = try ReadableFile.contents(of: path, limit: 1 << 20)
      guard let text = String(validating: bytes, as: UTF8.self) else { continue }
      let printing = printing(text.replacing("\r\n", with: "\n"))
      if quoted(printing) != nil { return printing }
    }
    return nil
  }

  /// What the model card says of the license.
  private static func licenseName(_ values: [String: MetadataValue]) -> String? {
    let parts = ["license", "license.name", "license.link"].compactMap { values["general." + $0]?.text }
    let text = printing(parts.joined(separator: ", "))
    return text.isEmpty || quoted(text) == nil ? nil : text
  }

  /// The file of the model's vision tower in the folder of the output; of several that of the first usual type.
  private static func tower(beside path: String, _ values: [String: MetadataValue]) -> String? {
    let folder = FileSystem.folder(of: path)
    let found = FileSystem.contents(of: folder).filter { $0.hasPrefix("mmproj") && $0.hasSuffix(".gguf") }
      .sorted().compactMap { name -> (name: String, type: Int)? in
        guard let set = try? GGUFSplitSet(path: folder + "/" + name), set.files.count == 1,
          set.value("general.architecture")?.text == VisionTower.architecture,
          set.value("general.name")?.text == values["general.name"]?.text
        else { return nil }
        return (name, set.value("general.file_type")?.integer ?? 0)
      }
    // F16, BF16, Q8_0, F32.
    return [1, 32, 7, 0].lazy.compactMap { type in found.first { $0.type == type }?.name }.first
      ?? found.first?.name
  }
}
