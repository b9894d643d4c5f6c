internal import FileBytes
internal import TensorTypes

/// Byte-pair encoding of characters (`tokenizer.ggml.model` = `gemma4`).
///
/// Spaces become U+2581. A text is cut where line breaks begin and end, and the characters of each part are merged. A
/// run of line breaks that is a token as a whole is that token. A character that is no token becomes the tokens of its
/// bytes (`<0xNN>`).
struct TextPairEncoder: Sendable {
  private let merger: SymbolMerger
  private let marks: MarkBoundaries
  /// The symbol of every ASCII character.
  private let asciiSymbols: [Int32]
  /// The token `<0xNN>` of every byte.
  private let byteTokens: [Int32?]

  private static let lineBreak: UInt8 = 0x0A

  init(_ metadata: TokenizerMetadata, table: TokenTable) throws(TokenizerError) {
    merger = try SymbolMerger(metadata, table: table)
    marks = MarkBoundaries(merger.strings)
    let strings = merger.strings
    asciiSymbols = (0..<128).map { Int32(strings.find([UInt8($0)]) ?? Self.unknownSymbol($0)) }
    let digits = Array("0123456789ABCDEF".utf8)
    byteTokens = (0..<256).map { byte in
      table.id(
        String(decoding: Array("<0x".utf8) + [digits[byte >> 4], digits[byte & 15], 0x3E], as: UTF8.self))
    }
  }

  /// The number of a character that neither a token nor a merge has; its scalar can be had back from it.
  private static func unknownSymbol(_ scalar: Int) -> Int { -2 - scalar }

  /// The texts of all fragments with their marks, and reused memory.
  struct Scratch {
    fileprivate var text: [UInt8] = []
    fileprivate var merging = SymbolMerger.Scratch()
    fileprivate var cache: WordCache

    init(byteCount: Int) {
      cache = WordCache(byteCount: byteCount)
      text.reserveCapacity(byteCount + byteCount / 2)
    }
  }

  /// Appends the tokens of `range` of `bytes`, which is any bytes; `isIntact` says that nothing needs repair.
  func encode(
    _ bytes: [UInt8], _ range: Range<Int>, isIntact: Bool, scratch: inout Scratch, to output: inout [Int32]
  ) {
    // Out of the scratch space while a closure changes the rest.
    var text = scratch.text
    var cache = scratch.cache
    scratch.text = []
    scratch.cache = WordCache(byteCount: 0)
    var start = text.count
    for byte in isIntact ? bytes[range] : RepairedText.repaired(bytes, range)[...] {
      if byte == 0x20 { text.append(contentsOf: MarkBoundaries.mark) } else { text.append(byte) }
    }
    while start < text.count {
      let isBreak = text[start] == Self.lineBreak
      var end = start + 1
      while end < text.count, (text[end] == Self.lineBreak) == isBreak {
        if marks.allowsCut(text, at: end) { break }
        end += 1
      }
      if isBreak, let token = merger.strings.find(text, start..<end), token < merger.tokenCount {
        output.append(Int32(token))
      } else {
        cache.append(start..<end, of: text, to: &output) {
          encodePart(text, start..<end, &scratch.merging, &$0)
        }
      }
      start = end
    }
    scratch.text = text
    scratch.cache = cache
  }

  private func encodePart(
    _ text: [UInt8], _ part: Range<Int>, _ scratch: inout SymbolMerger.Scratch, _ output: inout [Int32]
  ) {
    scratch.symbols.removeAll(keepingCapacity: true)
    var position = part.lowerBound
    while position < part.upperBound {
      if text[position] < 0x80 {
        scratch.symbols.append(asciiSymbols[Int(text[position])])
        position += 1
        continue
      }
      let length = text[position] < 0xE0 ? 2 : text[position] < 0xF0 ? 3 : 4
      let character = position..<min(position + length, part.upperBound)
      scratch.symbols.append(symbol(text, character))
      position = character.upperBound
    }
    merger.merge(&scratch)
    for symbol in scratch.symbols { emit(symbol, &output) }
  }

  /// The symbol of a character of more than one byte.
  private func symbol(_ text: [UInt8], _ character: Range<Int>) -> Int32 {
    if let found = merger.strings.find(text, character) { return Int32(found) }
    var scalar = Int(text[character.lowerBound]) & (0x7F >> character.count)
    for index in character.dropFirst() { scalar = scalar << 6 | Int(text[index] & 0x3F) }
    return Int32(Self.unknownSymbol(scalar))
  }

  /// A symbol without a token becomes the tokens of the bytes of its text, if there are any.
  private func emit(_ symbol: Int32, _ output: inout [Int32]) {
    if symbol >= 0, Int(symbol) < merger.tokenCount {
      output.append(symbol)
      return
    }
    var bytes: [UInt8] = []
    if symbol >= 0 {
      bytes = Array(merger.strings[Int(symbol)])
    } else {
      RepairedText.appendScalar(UInt32(Self.unknownSymbol(Int(symbol))), to: &bytes)
    }
    for byte in bytes {
      if let token = byteTokens[Int(byte)] { output.append(token) }
    }
  }
}
