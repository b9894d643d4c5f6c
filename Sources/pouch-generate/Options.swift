import ArgumentParser
import CommandSupport
import FileBytes
import Foundation
import ReferenceRuntime
import TensorCompute
import TensorTypes
import TextTokenizers

/// What to continue.
struct PromptOptions: ParsableArguments {
  @Option(name: [.customShort("p"), .long], parsing: .unconditional, help: "The prompt.")
  var prompt: String?

  @Option(name: [.customShort("f"), .customLong("file")], help: "Read the prompt from a file.")
  var promptFile: String?

  @Option(help: "The prompt as token ids, such as 1,2,3; no tokenizer is needed.")
  var tokens: String?

  @Flag(help: "Continue the prompt as it is, without the model's chat template.")
  var raw = false

  @Option(name: [.customLong("system"), .customLong("sys")], help: "A system message before the prompt.")
  var system: String?

  @Flag(
    inversion: .prefixedNo, help: "Let models that can think do so, or not; by default as the model does.")
  var thinking: Bool?

  func validate() throws {
    let given = [prompt, promptFile, tokens].compactMap(\.self).count
    guard given == 1 else { throw ValidationError("give one of -p, -f and --tokens") }
  }

  /// The tokenizer; optional for prompts of token ids.
  func tokenizer(for model: LoadedModel) throws -> Tokenizer? {
    if tokens != nil { return try? Tokenizer(metadata: model.metadata()) }
    return try Tokenizer(metadata: try model.metadata())
  }

  /// The prompt's token ids, and the tokens after which an answer is over.
  func tokens(_ tokenizer: Tokenizer?) throws -> (prompt: [Int32], ends: Set<Int32>) {
    if let tokens {
      let ids = try tokens.split(separator: ",").map { part in
        guard let id = Int32(part.trimmingCharacters(in: .whitespaces)) else {
          throw UsageError("--tokens", expected: "token ids separated by commas", found: String(part))
        }
        return id
      }
      return (ids, tokenizer?.endOfGeneration ?? [])
    }
    guard let tokenizer else { return ([], []) }
    let text: String
    if let promptFile {
      let file = try ReadableFile(path: promptFile)
      text = String(decoding: try file.bytes(at: 0, count: file.byteCount), as: UTF8.self)
    } else {
      text = prompt ?? ""
    }
    if raw {
      return (tokenizer.encode(text, addSpecial: true, parseSpecial: true), tokenizer.endOfGeneration)
    }
    guard let template = try tokenizer.readChatTemplate() else {
      throw UsageError(
        "--prompt", expected: "a model with a chat template", found: "none in its metadata",
        remedy: "give --raw to continue the prompt as it is")
    }
    var messages = [ChatMessage(role: "user", content: text)]
    if let system { messages.insert(ChatMessage(role: "system", content: system), at: 0) }
    let ids = try tokenizer.encode(
      messages, template: template, thinking: thinking.map { $0 ? .on : .off } ?? .modelDefault)
    if let thinking, !template.switchesThinking(messages) {
      Standard.error(
        "Warning: --\(thinking ? "" : "no-")thinking changes nothing: the model's chat template has no such switch"
      )
    }
    return (ids, tokenizer.stopTokens(template))
  }
}

/// How tokens are drawn; a model's own recommendations apply where nothing is given.
struct SamplingFlags: ParsableArguments {
  @Option(
    name: [.customLong("temp"), .customLong("temperature")], parsing: .unconditional,
    help: "Temperature; 0 takes the likeliest token."
  )
  var temperature: Float?

  @Option(
    name: .customLong("top-k"), parsing: .unconditional,
    help: "Keep the k likeliest tokens; 0 and -1 keep all.")
  var topK: Int?

  @Option(
    name: .customLong("top-p"), parsing: .unconditional,
    help: "Keep the likeliest tokens up to this probability; 1 keeps all.")
  var topP: Float?

  @Option(
    name: .customLong("min-p"), parsing: .unconditional,
    help: "Keep tokens with this share of the likeliest one; 0 keeps all.")
  var minP: Float?

  @Option(
    name: .customLong("repeat-penalty"), parsing: .unconditional,
    help: "Penalize tokens seen lately; 1 does not.")
  var repeatPenalty: Float?

  @Option(
    name: .customLong("repeat-last-n"), parsing: .unconditional, help: "How many tokens back; 0 none, -1 all."
  )
  var repeatLastN: Int?

  @Option(name: .customLong("frequency-penalty"), parsing: .unconditional, help: "Subtracted per occurrence.")
  var frequencyPenalty: Float?

  @Option(name: .customLong("presence-penalty"), parsing: .unconditional, help: "Subtracted once.")
  var presencePenalty: Float?

  @Option(
    name: [.customShort("s"), .long], parsing: .unconditional, help: "Seed of the draws; -1 picks one.")
  var seed = -1

  func validate() throws {
    for (name, value) in [
      ("--temp", temperature), ("--top-p", topP), ("--min-p", minP), ("--repeat-penalty", repeatPenalty),
      ("--frequency-penalty", frequencyPenalty), ("--presence-penalty", presencePenalty),
    ] {
      if let value, !value.isFinite { throw ValidationError("\(name) must be a finite number") }
    }
    func check(_ name: String, _ value: Float?, _ range: ClosedRange<Float>, _ words: String) throws {
      guard let value, !range.contains(value) else { return }
      throw ValidationError("\(name) must be \(words), not \(value)")
    }
    try check("--temp", temperature, 0...Float.greatestFiniteMagnitude, "at least 0")
    try check("--top-p", topP, 0...1, "from 0 to 1")
    try check("--min-p", minP, 0...1, "from 0 to 1")
    if let topK, topK < -1 { throw ValidationError("--top-k must be at least -1, not \(topK)") }
    if let repeatPenalty, repeatPenalty <= 0 { throw ValidationError("--repeat-penalty must be above 0") }
    if let repeatLastN, repeatLastN < -1 { throw ValidationError("--repeat-last-n must be at least -1") }
    guard seed == -1 || UInt32(exactly: seed) != nil else {
      throw ValidationError("--seed must be -1 or from 0 to 4294967295")
    }
  }

  /// The model's recommendations with the flags over them.
  func options(metadata: [MetadataEntry]) -> SamplingOptions {
    var options = SamplingOptions(metadata: metadata)
    options.temperature = temperature ?? options.temperature
    options.topK = topK ?? options.topK
    options.topP = topP ?? options.topP
    options.minP = minP ?? options.minP
    options.repeatPenalty = repeatPenalty ?? options.repeatPenalty
    options.repeatLastN = repeatLastN ?? options.repeatLastN
    options.frequencyPenalty = frequencyPenalty ?? options.frequencyPenalty
    options.presencePenalty = presencePenalty ?? options.presencePenalty
    options.seed = UInt32(exactly: seed) ?? UInt32.random(in: 0...UInt32.max)
    return options
  }
}

extension CacheType {
  /// The types that flags name.
  init(_ arguments: CacheArguments) throws {
    let types = try arguments.types()
    self.init(key: types.key, value: types.value)
  }
}
