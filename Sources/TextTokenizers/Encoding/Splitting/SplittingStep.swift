/// One regular expression of a splitting rule, as hand-written matching.
///
/// A step cuts a piece into matches and the gaps between them; both are kept. ``end(from:in:)`` gives the end of
/// the match or gap that begins at an offset, looking at nothing outside the piece, so that look-ahead and `$`
/// see the piece's end.
enum SplittingStep: Hashable, Sendable {
  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case plainWords
  /// Contractions in any case, then `[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*`, then
  /// `\s*[\r\n]+|\s+(?!\S)|\s+`; with `marks`, `\p{M}` counts as letters.
  case words(digits: Int, marks: Bool)
  /// Words that begin upper-case and end lower-case, as gpt-4o and Tekken have them in llama.cpp's form.
  case casedWords(digits: Int, contractions: Bool)
  /// Runs of Chinese characters, words of other letters with their contraction, numbers of three; the rest as ``words``.
  case wordsAndHan
  /// As ``words`` with single digits, but letters that single spaces part are one word, and signs take one line break.
  case spacedWords
  /// The last expression of DeepSeek V3: marks are letters, symbols after one sign are words of their own.
  case markedWords
  /// `[set]+`, or `\s?[set]+` with `leadingSpace`.
  case runs(ScalarSet, leadingSpace: Bool)
  /// `[set]`: every match is one scalar.
  case single(ScalarSet)
  /// `\p{N}{1,3}`
  case numbersOfThree
  /// `[0-9][0-9][0-9]`
  case threeDigits
  /// `\s+$`
  case trailingSpace

  /// The end of the match or gap that begins at `offset`, which is before `text.limit`.
  func end(from offset: Int, in text: ScalarScanner) -> Int {
    switch self {
    case .plainWords: text.endOfPlainWord(from: offset)
    case .words(let digits, let marks): text.endOfWord(from: offset, digits: digits, marks: marks)
    case .casedWords(let digits, let contractions):
      text.endOfCasedWord(from: offset, digits: digits, contractions: contractions)
    case .wordsAndHan: text.endOfWordOrHan(from: offset)
    case .spacedWords: text.endOfSpacedWord(from: offset)
    case .markedWords: text.matchOrGap(from: offset) { text.endOfMarkedWord(from: $0) }
    case .runs(let set, let leadingSpace):
      text.matchOrGap(from: offset) { text.endOfRun(of: set, leadingSpace: leadingSpace, from: $0) }
    case .single(let set):
      text.matchOrGap(from: offset) {
        let scalar = text.scalar(at: $0)
        return set.contains(scalar) ? scalar.end : nil
      }
    case .numbersOfThree:
      text.matchOrGap(from: offset) {
        let end = text.endOfNumber(from: $0, digits: 3)
        return end > $0 ? end : nil
      }
    case .threeDigits:
      text.matchOrGap(from: offset) { start in
        start + 3 <= text.limit && text.bytes[start..<start + 3].allSatisfy { 0x30...0x39 ~= $0 }
          ? start + 3 : nil
      }
    case .trailingSpace: text.endBeforeTrailingSpace(from: offset)
    }
  }
}

extension ScalarScanner {
  /// The end of the match at `offset`, or where the next match begins, or the end of the piece.
  @inline(__always)
  fileprivate func matchOrGap(from offset: Int, _ match: (Int) -> Int?) -> Int {
    if let end = match(offset) { return end }
    var position = scalar(at: offset).end
    while position < limit, match(position) == nil { position = scalar(at: position).end }
    return position
  }

  fileprivate func endOfRun(of set: ScalarSet, leadingSpace: Bool, from offset: Int) -> Int? {
    var position = offset
    let first = scalar(at: position)
    if leadingSpace, first.kind == .space, set.contains(scalar(at: first.end)) { position = first.end }
    let start = position
    while true {
      let next = scalar(at: position)
      guard set.contains(next) else { break }
      position = next.end
    }
    return position > start ? position : nil
  }

  /// The end of at most `digits` numbers.
  fileprivate func endOfNumber(from offset: Int, digits: Int) -> Int {
    var position = offset
    for _ in 0..<digits {
      let next = scalar(at: position)
      guard next.kind == .number else { break }
      position = next.end
    }
    return position
  }

  fileprivate func endBeforeTrailingSpace(from offset: Int) -> Int {
    var position = offset
    var start = limit
    // One pass over the piece: where does the white space that reaches the end begin?
    while position < limit {
      let next = scalar(at: position)
      if next.kind != .space {
        start = limit
      } else if start == limit {
        start = position
      }
      position = next.end
    }
    return start > offset ? start : limit
  }

  fileprivate func endOfPlainWord(from offset: Int) -> Int {
    let first = scalar(at: offset)
    if first.value == 0x27, let end = endOfContraction(at: offset, ignoringCase: false) { return end }
    let head = first.value == 0x20 ? scalar(at: first.end) : first
    if head.kind == .letter { return endOfRun(of: .letter, from: head.end) }
    if head.kind == .number { return endOfRun(of: .number, from: head.end) }
    let rest: ScalarKind = [.mark, .punctuation, .symbol, .other]
    if head.isOne(of: rest) { return endOfRun(of: rest, from: head.end) }
    return endOfSpace(from: offset, lineBreaks: false)
  }

  fileprivate func endOfWord(from offset: Int, digits: Int, marks: Bool) -> Int {
    let first = scalar(at: offset)
    if first.value == 0x27, let end = endOfContraction(at: offset, ignoringCase: true) { return end }
    let letters: ScalarKind = marks ? [.letter, .mark] : .letter
    if !first.isLineBreak, first.kind != .number,
      first.isOne(of: letters) || scalar(at: first.end).isOne(of: letters)
    {
      return endOfRun(of: letters, from: first.end)
    }
    if first.kind == .number { return endOfNumber(from: offset, digits: digits) }
    let rest: ScalarKind =
      marks ? [.punctuation, .symbol, .other] : [.mark, .punctuation, .symbol, .other]
    let head = first.value == 0x20 ? scalar(at: first.end) : first
    if head.isOne(of: rest) { return endOfLineBreaks(from: endOfRun(of: rest, from: head.end)) }
    return endOfSpace(from: offset, lineBreaks: true)
  }

  /// llama.cpp writes "upper-case letter" as "letter but not a to z" and "lower-case letter" as "letter but not
  /// A to Z", so letters outside ASCII are both.
  fileprivate func endOfCasedWord(from offset: Int, digits: Int, contractions: Bool) -> Int {
    let first = scalar(at: offset)
    var start: Int?
    if first.kind == .letter {
      start = offset
    } else if !first.isLineBreak, first.kind != .number, scalar(at: first.end).kind == .letter {
      start = first.end
    }
    if let start {
      let end = endOfCasedLetters(from: start)
      return contractions ? endOfContraction(at: end, ignoringCase: true) ?? end : end
    }
    if first.kind == .number { return endOfNumber(from: offset, digits: digits) }
    let rest: ScalarKind = [.mark, .punctuation, .symbol, .other]
    let head = first.value == 0x20 ? scalar(at: first.end) : first
    if head.isOne(of: rest) {
      return endOfLineBreaks(from: endOfRun(of: rest, from: head.end), orSlashes: true)
    }
    return endOfSpace(from: offset, lineBreaks: true)
  }

  private func endOfCasedLetters(from offset: Int) -> Int {
    // The run of letters that are not a to z, and the end of the last one of them that is not A to Z either.
    var position = offset
    var behindLastOther: Int?
    var next = scalar(at: position)
    while next.kind == .letter, !(0x61...0x7A ~= next.value) {
      position = next.end
      if next.value >= 0x80 { behindLastOther = position }
      next = scalar(at: position)
    }
    if next.kind == .letter {
      // A lower-case letter follows: take all letters that are not A to Z.
      while next.kind == .letter, !(0x41...0x5A ~= next.value) {
        position = next.end
        next = scalar(at: position)
      }
      return position
    }
    // Else the second half must begin at the last letter that can be lower-case; without one, all is upper-case.
    return behindLastOther ?? position
  }

  /// llama.cpp's own code for Kimi K2: its expressions without upper and lower case, and marks are signs.
  fileprivate func endOfWordOrHan(from offset: Int) -> Int {
    let first = scalar(at: offset)
    if ScalarSet.han.contains(first) {
      return endOfRun(of: .han, leadingSpace: false, from: offset) ?? first.end
    }
    func isLetter(_ scalar: ScannedScalar) -> Bool {
      scalar.kind == .letter && !ScalarSet.han.contains(scalar)
    }
    let head = isLetter(first) || first.isLineBreak || first.kind == .number ? first : scalar(at: first.end)
    if isLetter(head) {
      var position = head.end
      var next = scalar(at: position)
      while isLetter(next) {
        position = next.end
        next = scalar(at: position)
      }
      return endOfContraction(at: position, ignoringCase: true) ?? position
    }
    if first.kind == .number { return endOfNumber(from: offset, digits: 3) }
    let rest: ScalarKind = [.mark, .punctuation, .symbol, .other]
    let sign = first.value == 0x20 ? scalar(at: first.end) : first
    if sign.isOne(of: rest) { return endOfLineBreaks(from: endOfRun(of: rest, from: sign.end)) }
    return endOfSpace(from: offset, lineBreaks: true)
  }

  fileprivate func endOfSpacedWord(from offset: Int) -> Int {
    let first = scalar(at: offset)
    if first.value == 0x27, let end = endOfContraction(at: offset, ignoringCase: true) { return end }
    let head =
      first.kind == .letter || first.isLineBreak || first.kind == .number ? first : scalar(at: first.end)
    if head.kind == .letter { return endOfSpacedLetters(from: head.end) }
    if first.kind == .number { return first.end }
    let rest: ScalarKind = [.mark, .punctuation, .symbol, .other]
    let sign = first.value == 0x20 ? scalar(at: first.end) : first
    if sign.isOne(of: rest) {
      let next = scalar(at: endOfRun(of: rest, from: sign.end))
      return next.isLineBreak ? next.end : endOfRun(of: rest, from: sign.end)
    }
    return endOfSpace(from: offset, lineBreaks: true)
  }

  /// The end of letters with their marks, each of which may have one space before it.
  private func endOfSpacedLetters(from offset: Int) -> Int {
    var position = endOfRun(of: .mark, from: offset)
    while true {
      var next = scalar(at: position)
      if next.value == 0x20 { next = scalar(at: next.end) }
      guard next.kind == .letter else { return position }
      position = endOfRun(of: .mark, from: next.end)
    }
  }

  fileprivate func endOfMarkedWord(from offset: Int) -> Int? {
    let first = scalar(at: offset)
    let letters: ScalarKind = [.letter, .mark]
    let signs: ScalarKind = [.punctuation, .symbol]
    if first.value < 0x80, first.isOne(of: signs) {
      var position = first.end
      while position < limit, isASCIILetter(bytes[position]) { position += 1 }
      if position > first.end { return position }
    }
    if first.isOne(of: letters) { return endOfRun(of: letters, from: first.end) }
    let head = scalar(at: first.end)
    if !first.isLineBreak, !first.isOne(of: signs), head.isOne(of: letters) {
      return endOfRun(of: letters, from: head.end)
    }
    if first.isOne(of: signs) { return endOfLineBreaks(from: endOfRun(of: signs, from: first.end)) }
    if first.value == 0x20, head.isOne(of: signs) {
      return endOfLineBreaks(from: endOfRun(of: signs, from: head.end))
    }
    return first.kind == .space ? endOfSpace(from: offset, lineBreaks: true) : nil
  }

  private func isASCIILetter(_ byte: UInt8) -> Bool { 0x61...0x7A ~= byte | 0x20 }
}
