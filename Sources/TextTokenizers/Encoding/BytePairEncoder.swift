internal import FileBytes
internal import TensorTypes

/// Byte-level byte-pair encoding (`tokenizer.ggml.model` = `gpt2`).
///
/// A text is cut into words, and the bytes of each word are merged as texts of the byte alphabet.
struct BytePairEncoder: Sendable {
  private let rule: SplittingRule
  private let merger: SymbolMerger
  /// The symbol of every byte.
  private let byteSymbols: [Int32]

  init(_ metadata: TokenizerMetadata, rule: SplittingRule, table: TokenTable) throws(TokenizerError) {
    self.rule = rule
    var merger = try SymbolMerger(metadata, table: table, required: rule.needsMerges)
    byteSymbols = ByteAlphabet.encoded.map { merger.symbol(of: $0) }
    self.merger = merger
  }

  /// Reused memory of one call.
  struct Scratch {
    fileprivate var merging = SymbolMerger.Scratch()
    fileprivate var cache: WordCache

    init(byteCount: Int) { cache = WordCache(byteCount: byteCount) }
  }

  /// Appends the tokens of `range` of `bytes`, which is any bytes; `isIntact` says that nothing needs repair.
  func encode(
    _ bytes: [UInt8], _ range: Range<Int>, isIntact: Bool, scratch: inout Scratch, to output: inout [Int32]
  ) {
    if isIntact {
      encodeRepaired(bytes, range, &scratch, &output)
    } else {
      let repaired = RepairedText.repaired(bytes, range)
      scratch.cache.clear()
      encodeRepaired(repaired, repaired.indices, &scratch, &output)
    }
  }

  private func encodeRepaired(
    _ bytes: [UInt8], _ range: Range<Int>, _ scratch: inout Scratch, _ output: inout [Int32]
  ) {
    // The cache is out of the scratch space while a closure changes the rest.
    var cache = scratch.cache
    scratch.cache = WordCache(byteCount: 0)
    rule.forEachWord(in: bytes, range) { word in
      cache.append(word, of: bytes, to: &output) { encodeWord(bytes, word, &scratch.merging, &$0) }
    }
    scratch.cache = cache
  }

  private func encodeWord(
    _ bytes: [UInt8], _ word: Range<Int>, _ scratch: inout SymbolMerger.Scratch, _ output: inout [Int32]
  ) {
    if word.count == 1 { return emit(byteSymbols[Int(bytes[word.lowerBound])], &output) }
    if rule.ignoresMerges, let token = wholeToken(bytes, word) {
      output.append(token)
      return
    }
    scratch.symbols.removeAll(keepingCapacity: true)
    for index in word { scratch.symbols.append(byteSymbols[Int(bytes[index])]) }
    merger.merge(&scratch)
    for symbol in scratch.symbols { emit(symbol, &output) }
  }

  private func wholeToken(_ bytes: [UInt8], _ word: Range<Int>) -> Int32? {
    var text: [UInt8] = []
    text.reserveCapacity(word.count * 2)
    for index in word { text.append(contentsOf: ByteAlphabet.encoded[Int(bytes[index])]) }
    guard let index = merger.strings.find(text), index < merger.tokenCount else { return nil }
    return Int32(index)
  }

  /// A symbol without a token becomes the tokens of the single bytes of its text, if there are any.
  private func emit(_ symbol: Int32, _ output: inout [Int32]) {
    if Int(symbol) < merger.tokenCount {
      output.append(symbol)
      return
    }
    for byte in merger.strings[Int(symbol)] {
      if let token = merger.strings.find([byte]), token < merger.tokenCount { output.append(Int32(token)) }
    }
  }
}
