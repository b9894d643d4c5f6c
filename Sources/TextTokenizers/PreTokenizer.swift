package import FileBytes

/// How text is split before byte-pair encoding, and the name GGUF has for it.
///
/// A `tokenizer.json` describes the splitting as a chain of steps; a GGUF stores a name from a fixed list
/// (`tokenizer.ggml.pre`). The name is found by comparing the chain, step by step and regular expression by
/// regular expression, with the chains of known models.
package struct PreTokenizer: Hashable, Sendable {
  /// One step of the chain.
  package enum Step: Hashable, Sendable {
    /// Every match of the expression becomes a piece of its own.
    case split(String)
    /// Every digit becomes a piece of its own.
    case singleDigits
    /// The splitting built into the byte-level step (that of GPT-2).
    case byteLevel
    /// A step that no known chain has, described.
    case other(String)
  }

  /// The steps in order; a byte-level step that only maps bytes is not among them.
  package var steps: [Step]

  /// Reads the value of `pre_tokenizer` in `tokenizer.json`.
  package init(_ value: JSONValue) {
    steps = Self.steps(of: value, depth: 0)
  }

  private static func steps(of value: JSONValue, depth: Int) -> [Step] {
    guard value != .null else { return [] }
    let type = value["type"]?.text ?? ""
    switch type {
    case "Sequence" where depth < 8:
      return (value["pretokenizers"]?.elements ?? []).flatMap { steps(of: $0, depth: depth + 1) }
    case "Split":
      guard value["invert"]?.flag != true, value["behavior"]?.text == "Isolated" || isRemoval(value) else {
        return [.other("Split with behavior \(value["behavior"]?.text ?? "missing")")]
      }
      if let regex = value["pattern"]?["Regex"]?.text { return [.split(regex)] }
      if let literal = value["pattern"]?["String"]?.text { return [.other("Split at the string \(literal)")] }
      return [.other("Split without a pattern")]
    case "Digits":
      return [value["individual_digits"]?.flag == true ? .singleDigits : .other("Digits in runs")]
    case "ByteLevel":
      return value["use_regex"]?.flag ?? true ? [.byteLevel] : []
    default:
      return [.other(type.isEmpty ? value.summary : type)]
    }
  }

  /// An inverted removal keeps the matches only, which for expressions that match everything is an isolation.
  private static func isRemoval(_ value: JSONValue) -> Bool { value["behavior"]?.text == "Removed" }

  /// The chain as one line, for messages.
  package var summary: String {
    if steps.isEmpty { return "no splitting" }
    return steps.map { step in
      switch step {
      case .split(let regex): "split by \(regex)"
      case .singleDigits: "single digits"
      case .byteLevel: "byte-level with its own regex"
      case .other(let text): text
      }
    }.joined(separator: ", then ")
  }

  /// The GGUF name of the chain.
  ///
  /// - Parameters:
  ///   - tokenizer: The file the chain is from; some models share a chain and differ in their tokens.
  ///   - file: The name that errors give.
  /// - Returns: The name, such as `qwen2`.
  /// - Throws: ``TokenizerError`` with `unknownPreTokenizer`.
  package func name(in tokenizer: TokenizerFile, file: String) throws -> String {
    if isDeepSeekLLM { return "deepseek-llm" }
    guard let known = Self.known.first(where: { $0.steps == steps }) else {
      throw TokenizerError(
        .unknownPreTokenizer,
        Fault(
          file: file, subject: "pre_tokenizer",
          expected:
            "a splitting rule of a known model (\(Self.known.map(\.name).reduced().joined(separator: ", ")))",
          found: "\(summary)",
          remedy: "give the name of an equivalent rule with \(.preTokenizer), such as \(.preTokenizer) qwen2")
      )
    }
    switch known.name {
    case "qwen2" where tokenizer.addedTokenID("<｜begin▁of▁sentence｜>") != nil: return "deepseek-r1-qwen"
    case "qwen2" where tokenizer.addedTokenID("<|startoftext|>") != nil: return "hunyuan"
    case "llama-bpe" where tokenizer.addedTokenID("<|startoftext|>") != nil: return "lfm2"
    case "llama-bpe" where tokenizer.addedTokenID("[gMASK]") != nil: return "glm4"
    case "gpt-4o" where tokenizer.addedTokenID("]<]minimax[>[") != nil: return "minimax-m2"
    case "gpt-2" where tokenizer.addedTokenID("|||EMAIL_ADDRESS|||") != nil: return "olmo"
    case "smollm" where tokenizer.addedTokenID("<fim_prefix>") != nil: return "refact"
    default: return known.name
    }
  }

  /// Whether this is the chain of DeepSeek's first tokenizers.
  ///
  /// Its expressions spell out thousands of letters; how they begin is enough to know them by.
  private var isDeepSeekLLM: Bool {
    let beginnings = [
      ["[\r\n]", #"[\r\n]"#], [#"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯ"#], [#"\s?[!-/:-~！-／：-～‘-‟"#], [#"\s+$"#],
      ["[一-龥"],
    ]
    guard steps.count >= beginnings.count else { return false }
    return zip(steps, beginnings).allSatisfy { step, known in
      guard case .split(let regex) = step else { return false }
      return known.contains { regex.utf8.starts(with: $0.utf8) }
    }
  }

  /// The type of the step that stands for the splitting built into Kimi's tokenizer.
  static let kimi = "the splitting of Kimi K2"

  private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
  private static let spacing = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
  private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#

  /// Upper- and lower-case letters outside Chinese, as Kimi's expression has them.
  private static func notHan(_ letters: String) -> String {
    letters.replacing("]", with: #"&&[^\p{Han}]]"#)
  }

  /// The chains as published tokenizers write them.
  static let known: [(name: String, steps: [Step])] = [
    (
      "qwen2",
      [.split(contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spacing)]
    ),
    (
      "qwen35",
      [
        .split(
          contractions + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"# + spacing)
      ]
    ),
    (
      "llama-bpe",
      [.split(contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spacing)]
    ),
    ("gpt-2", [.byteLevel]),
    ("kimi-k2", [.other(kimi)]),
    (
      "kimi-k2",
      [
        .split(
          #"[\p{Han}]+|[^\r\n\p{L}\p{N}]?"# + notHan(upper) + "*" + notHan(lower) + "+" + contractions + "?|"
            + #"[^\r\n\p{L}\p{N}]?"# + notHan(upper) + "+" + notHan(lower) + "*" + contractions + "?|"
            + #"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spacing)
      ]
    ),
    (
      "bailingmoe2",
      [
        .split(
          #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
        )
      ]
    ),
    (
      "exaone-moe",
      [
        .split(
          contractions
            + #"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"#
        )
      ]
    ),
    ("smollm", [.singleDigits, .byteLevel]),
    (
      "deepseek-v3",
      [
        .split(#"\p{N}{1,3}"#), .split("[一-龥\u{3040}-ゟ゠-ヿ]+"),
        .split(
          ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
            + #"| ?[\p{P}\p{S}]+[\r\n]*|"# + spacing),
      ]
    ),
    (
      "gpt-4o",
      [
        .split(
          #"[^\r\n\p{L}\p{N}]?"# + upper + "*" + lower + "+" + contractions + "?|"
            + #"[^\r\n\p{L}\p{N}]?"# + upper + "+" + lower + "*" + contractions + "?|"
            + #"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spacing)
      ]
    ),
    (
      "tekken",
      [
        .split(
          #"[^\r\n\p{L}\p{N}]?"# + upper + "*" + lower + "+|"
            + #"[^\r\n\p{L}\p{N}]?"# + upper + "+" + lower + "*|"
            + #"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spacing)
      ]
    ),
  ]
}

extension [String] {
  /// The elements without repetitions, in order of first occurrence.
  fileprivate func reduced() -> [String] {
    var seen: Set<String> = []
    return filter { seen.insert($0).inserted }
  }
}
