internal import TensorTypes

/// The ids of tokens with a role, and whether BOS and EOS are added.
struct TokenRoles: Sendable {
  var bos: Int32?
  var eos: Int32?
  var eot: Int32?
  var eom: Int32?
  var unknown: Int32?
  var pad: Int32?
  var fillPrefix: Int32?
  var fillSuffix: Int32?
  var fillMiddle: Int32?
  var fillPad: Int32?
  var fillRepository: Int32?
  var fillSeparator: Int32?
  var addsBOS = false
  /// Whether BOS is added whatever the metadata says.
  var alwaysAddsBOS = false
  var addsEOS = false
  var addsSpacePrefix = false
  var cleansSpaces = false
  /// Tokens after which generation stops.
  var endOfGeneration: Set<Int32> = []

  /// llama.cpp's defaults for byte-level byte pairs; the ids are GPT-2 leftovers that every real file overrides.
  static func bytePairs(_ rule: SplittingRule) -> TokenRoles {
    TokenRoles(bos: rule.lacksBOS ? nil : 11, eos: 11, addsBOS: rule.addsBOS, cleansSpaces: rule.cleansSpaces)
  }

  /// llama.cpp's defaults for SentencePiece vocabularies.
  static let sentencePiece = TokenRoles(bos: 1, eos: 2, unknown: 0, addsBOS: true, addsSpacePrefix: true)

  /// llama.cpp's defaults for byte pairs over characters.
  static let textPairs = TokenRoles(addsBOS: true, alwaysAddsBOS: true, cleansSpaces: true)

  /// Takes over what the metadata says.
  mutating func read(_ metadata: TokenizerMetadata, count: Int) throws(TokenizerError) {
    if let flag = try metadata.flag("tokenizer.ggml.add_space_prefix") { addsSpacePrefix = flag }
    if let flag = try metadata.flag("tokenizer.ggml.add_bos_token") { addsBOS = flag || alwaysAddsBOS }
    if let flag = try metadata.flag("tokenizer.ggml.add_eos_token") { addsEOS = flag }
    let keys: [(WritableKeyPath<TokenRoles, Int32?>, String)] = [
      (\.bos, "bos"), (\.eos, "eos"), (\.eot, "eot"), (\.eom, "eom"), (\.unknown, "unknown"),
      (\.pad, "padding"),
      (\.fillPrefix, "fim_pre"), (\.fillSuffix, "fim_suf"), (\.fillMiddle, "fim_mid"), (\.fillPad, "fim_pad"),
      (\.fillRepository, "fim_rep"), (\.fillSeparator, "fim_sep"),
      (\.fillPrefix, "prefix"), (\.fillSuffix, "suffix"), (\.fillMiddle, "middle"),
    ]
    for (role, name) in keys {
      if let id = self[keyPath: role], Int(id) >= count { self[keyPath: role] = nil }
      if let id = try metadata.tokenID("tokenizer.ggml.\(name)_token_id", below: count) {
        self[keyPath: role] = id
      }
    }
  }

  /// Texts of tokens that end a turn, first choice first.
  static let endOfTurnTexts = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>",
    "_<EOT>",
    "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>",
  ]

  /// Texts of tokens after which generation stops.
  static let endOfGenerationTexts = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
    "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
  ]
}
