/// How a byte-level tokenizer cuts text into words before it merges bytes, by the names GGUF uses.
///
/// The steps are llama.cpp's regular expressions; each step cuts every piece that the steps before it left.
struct SplittingRule: Hashable, Sendable {
  /// The expressions in order.
  var steps: [SplittingStep]
  /// A word that is a token as a whole is that token, whatever the merges would give.
  var ignoresMerges = false
  /// Whether a beginning-of-sequence token is added when the metadata does not say.
  var addsBOS = false
  /// Whether there is no beginning-of-sequence token unless the metadata names one.
  var lacksBOS = false
  /// Whether decoding removes spaces before punctuation.
  var cleansSpaces = true
  /// Whether a file without merges is broken.
  var needsMerges = true

  /// The rule named `name` in `tokenizer.ggml.pre`, or `nil` if it is not supported.
  init?(name: String) {
    switch name {
    case "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "hunyuan", "solar-open", "grok-2",
      "bailingmoe", "bailingmoe2", "llada-moe":
      self.init(steps: [.words(digits: 1, marks: false)], cleansSpaces: false)
    case "megrez", "stablelm2":
      self.init(steps: [.words(digits: 1, marks: false)])
    case "qwen35":
      self.init(steps: [.words(digits: 1, marks: true)], cleansSpaces: false)
    case "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
      "jina-v5-nano":
      self.init(steps: [.words(digits: 3, marks: false)], ignoresMerges: true, addsBOS: true)
    case "dbrx", "smaug-bpe":
      self.init(steps: [.words(digits: 3, marks: false)])
    case "chatglm-bpe":
      self.init(steps: [.words(digits: 3, marks: false)], lacksBOS: true)
    case "glm4", "glm5":
      self.init(steps: [.words(digits: 3, marks: false)], ignoresMerges: true, lacksBOS: true)
    case "smollm", "command-r":
      self.init(steps: [.single(.numbers), .plainWords], cleansSpaces: false)
    case "refact", "starcoder", "codeshell", "exaone", "minerva-7b", "mellum2":
      self.init(steps: [.single(.numbers), .plainWords])
    case "gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum",
      "modern-bert", "mpt", "olmo", "jais", "exaone4":
      self.init(steps: [.plainWords])
    case "trillion", "granite-docling":
      self.init(steps: [.plainWords], cleansSpaces: false)
    case "gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2":
      self.init(steps: [.casedWords(digits: 3, contractions: true)], cleansSpaces: false)
    case "kimi-k2":
      self.init(steps: [.wordsAndHan], cleansSpaces: false, needsMerges: false)
    case "exaone-moe":
      self.init(steps: [.spacedWords])
    case "tekken":
      self.init(
        steps: [.casedWords(digits: 1, contractions: false)], ignoresMerges: true, addsBOS: true,
        cleansSpaces: false)
    case "deepseek-llm":
      self.init(
        steps: [
          .single(.lineBreaks), .runs(.casedLetters, leadingSpace: true), .runs(.signs, leadingSpace: true),
          .trailingSpace, .runs(.eastAsian, leadingSpace: false), .runs(.numbers, leadingSpace: false),
        ], cleansSpaces: false)
    case "deepseek-coder":
      self.init(
        steps: [
          .single(.lineBreaks), .runs(.letters, leadingSpace: true), .runs(.punctuation, leadingSpace: true),
          .runs(.eastAsian, leadingSpace: false), .single(.numbers),
        ], cleansSpaces: false)
    case "deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4":
      self.init(
        steps: [.numbersOfThree, .runs(.hanAndKana, leadingSpace: false), .markedWords], cleansSpaces: false)
    case "falcon":
      self.init(steps: [
        .runs(.punctuationAndASCIISymbols(backtick: true), leadingSpace: false), .plainWords, .threeDigits,
      ])
    case "default", "":
      self.init(steps: [
        .runs(.punctuationAndASCIISymbols(backtick: false), leadingSpace: false), .plainWords,
        .runs(.numbers, leadingSpace: false), .threeDigits,
      ])
    default: return nil
    }
  }

  private init(
    steps: [SplittingStep], ignoresMerges: Bool = false, addsBOS: Bool = false, lacksBOS: Bool = false,
    cleansSpaces: Bool = true, needsMerges: Bool = true
  ) {
    self.steps = steps
    self.ignoresMerges = ignoresMerges
    self.addsBOS = addsBOS
    self.lacksBOS = lacksBOS
    self.cleansSpaces = cleansSpaces
    self.needsMerges = needsMerges
  }

  /// Calls `body` with the byte range of every word of `range`, in order.
  ///
  /// The bytes are repaired text (see ``RepairedText``); nothing outside the range is looked at.
  func forEachWord(in bytes: [UInt8], _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    guard !range.isEmpty else { return }
    var piece = ScalarScanner(bytes, limit: range.upperBound)
    split(&piece, from: range.lowerBound, step: 0, body)
  }

  private func split(_ piece: inout ScalarScanner, from start: Int, step: Int, _ body: (Range<Int>) -> Void) {
    var position = start
    let isLast = step + 1 == steps.count
    while position < piece.limit {
      let end = steps[step].end(from: position, in: piece)
      if isLast {
        body(position..<end)
      } else {
        let limit = piece.limit
        piece.limit = end
        split(&piece, from: position, step: step + 1, body)
        piece.limit = limit
      }
      position = end
    }
  }
}
