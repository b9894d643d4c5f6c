extension Tokenizer {
  /// The bytes that a token stands for; a character may be spread over several tokens.
  ///
  /// - Parameters:
  ///   - token: An id; one out of range stands for nothing.
  ///   - showSpecial: Whether control tokens give their text or nothing.
  /// - Returns: The bytes, not always UTF-8 by themselves.
  public func piece(_ token: Int32, showSpecial: Bool = true) -> [UInt8] {
    let id = Int(token)
    guard table.attributes.indices.contains(id) else { return [] }
    let attributes = table.attributes[id]
    let isSpecial = !attributes.isDisjoint(with: [.unknown, .control])
    if isSpecial { return showSpecial ? Array(table.strings[id]) : [] }
    if attributes.contains(.userDefined) { return Array(table.strings[id]) }
    if attributes.contains(.normal) {
      return isByteLevel
        ? Self.bytes(ofAlphabetText: Array(table.strings[id])) : Self.unescaped(table.strings[id])
    }
    if attributes.contains(.byte) { return Self.byte(ofFallbackText: table.strings[id]) }
    return []
  }

  /// The text of a sequence of tokens.
  ///
  /// - Parameters:
  ///   - tokens: The ids; ids out of range are left out.
  ///   - removeSpecial: Whether a leading BOS and a trailing EOS that encoding adds are left out.
  ///   - showSpecial: Whether control tokens give their text or nothing.
  /// - Returns: The text; bytes that are not UTF-8 become U+FFFD.
  public func decode(_ tokens: [Int32], removeSpecial: Bool = false, showSpecial: Bool = false) -> String {
    String(
      decoding: decodeBytes(tokens, removeSpecial: removeSpecial, showSpecial: showSpecial), as: UTF8.self)
  }

  /// The bytes of a sequence of tokens; the parameters are those of ``decode(_:removeSpecial:showSpecial:)``.
  public func decodeBytes(_ tokens: [Int32], removeSpecial: Bool = false, showSpecial: Bool = false)
    -> [UInt8]
  {
    var tokens = tokens[...]
    var removesSpace = addSpacePrefix
    if removeSpecial, addBOS, let first = tokens.first, first == bos {
      removesSpace = false
      tokens.removeFirst()
    }
    if removeSpecial, addEOS, let last = tokens.last, last == eos { tokens.removeLast() }
    var bytes: [UInt8] = []
    for token in tokens {
      var piece = piece(token, showSpecial: showSpecial)[...]
      if removesSpace, piece.first == 0x20 { piece.removeFirst() }
      removesSpace = false
      bytes.append(contentsOf: piece)
    }
    return table.roles.cleansSpaces ? Self.cleaned(bytes) : bytes
  }

  /// The bytes of a text in the byte alphabet; other scalars are shown as llama.cpp shows them.
  private static func bytes(ofAlphabetText text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    RepairedText.forEachScalar(in: text) { scalar in
      if let byte = ByteAlphabet.byte(of: scalar) {
        result.append(byte)
        return
      }
      var encoded: [UInt8] = []
      RepairedText.appendScalar(scalar, to: &encoded)
      let digits = Array("0123456789abcdef".utf8)
      result.append(contentsOf: "[UNK_BYTE_0x".utf8)
      for byte in encoded { result.append(contentsOf: [digits[Int(byte >> 4)], digits[Int(byte & 15)]]) }
      result.append(contentsOf: text)
      result.append(UInt8(ascii: "]"))
    }
    return result
  }

  private static func unescaped(_ text: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var index = text.startIndex
    while index < text.endIndex {
      if text[index] == 0xE2, text[index...].prefix(3).elementsEqual([0xE2, 0x96, 0x81]) {
        result.append(0x20)
        index += 3
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return result
  }

  /// The byte of a token `<0xNN>`.
  private static func byte(ofFallbackText text: ArraySlice<UInt8>) -> [UInt8] {
    let digits = String(decoding: text.dropFirst(3).prefix(2), as: UTF8.self)
    return UInt8(digits, radix: 16).map { [$0] } ?? []
  }

  /// Removes the space before `? ! . ,`, around a lone apostrophe and before 's, 'm, 're, 've, in this order.
  private static func cleaned(_ bytes: [UInt8]) -> [UInt8] {
    let space: UInt8 = 0x20
    let apostrophe: UInt8 = 0x27
    var first: [UInt8] = []
    for (index, byte) in bytes.enumerated() {
      if index > 0, bytes[index - 1] == space, "?!.,".utf8.contains(byte) { first.removeLast() }
      first.append(byte)
    }
    var second: [UInt8] = []
    var index = 0
    while index < first.count {
      if index > 0, first[index] == apostrophe, index + 1 < first.count, first[index - 1] == space,
        first[index + 1] == space
      {
        second.removeLast()
        second.append(apostrophe)
        index += 2
        // The space behind is gone; what follows is not seen as standing behind a space.
        if index < first.count {
          second.append(first[index])
          index += 1
        }
        continue
      }
      second.append(first[index])
      index += 1
    }
    var third: [UInt8] = []
    for (index, byte) in second.enumerated() {
      if index > 0, byte == apostrophe, second[index - 1] == space, index + 1 < second.count {
        let next = second[index + 1]
        let isShort = next == UInt8(ascii: "s") || next == UInt8(ascii: "m")
        let isLong =
          (next == UInt8(ascii: "r") || next == UInt8(ascii: "v")) && index + 2 < second.count
          && second[index + 2] == UInt8(ascii: "e")
        if isShort || isLong { third.removeLast() }
      }
      third.append(byte)
    }
    return third
  }
}
