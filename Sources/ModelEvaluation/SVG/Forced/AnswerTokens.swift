internal import Foundation
internal import SVGAnalysis
internal import TextTokenizers

/// The tokens of an answer with what each of them says.
package struct AnswerTokens {
  /// A number that a token is a part of.
  package struct Place {
    /// The number's text before and after the token.
    package var prefix: String
    package var suffix: String
    package var value: Double

    package init(prefix: String, suffix: String, value: Double) {
      self.prefix = prefix
      self.suffix = suffix
      self.value = value
    }
  }

  let classes: [SVGTokenClass]
  /// For tokens that consist of digits within a number.
  let places: [Place?]
  /// The larger side of the answer's `viewBox`, 100 when it has none.
  let size: Double

  init(_ tokens: [Int32], _ tokenizer: Tokenizer) {
    var bytes: [UInt8] = []
    var ranges: [Range<Int>] = []
    for token in tokens {
      let start = bytes.count
      bytes += tokenizer.piece(token)
      ranges.append(start..<bytes.count)
    }
    let lexer = SVGLexer(bytes)
    classes = ranges.map { lexer.tokenClass($0) }
    var places: [Place?] = []
    var next = 0
    for range in ranges {
      while next < lexer.numbers.count, lexer.numbers[next].upperBound <= range.lowerBound { next += 1 }
      guard next < lexer.numbers.count, !range.isEmpty else {
        places.append(nil)
        continue
      }
      let number = lexer.numbers[next]
      let isDigits = bytes[range].allSatisfy { (0x30...0x39).contains($0) }
      guard isDigits, number.lowerBound <= range.lowerBound, range.upperBound <= number.upperBound,
        let value = Double(String(decoding: bytes[number], as: UTF8.self))
      else {
        places.append(nil)
        continue
      }
      places.append(
        Place(
          prefix: String(decoding: bytes[number.lowerBound..<range.lowerBound], as: UTF8.self),
          suffix: String(decoding: bytes[range.upperBound..<number.upperBound], as: UTF8.self), value: value))
    }
    self.places = places
    let source = SVGExtraction.find(in: String(decoding: bytes, as: UTF8.self))?.source ?? ""
    let box = (try? SanitizedSVG(source: source))?.viewBox
    size = box.map { max($0.width, $0.height) } ?? 100
  }
}

/// The tokens of a vocabulary that consist of digits, and what they do to a number.
package struct DigitTokens {
  package let tokens: [(id: Int, text: String)]

  package init(tokens: [(id: Int, text: String)]) { self.tokens = tokens }

  init(_ tokenizer: Tokenizer) {
    tokens = (0..<tokenizer.vocabularySize).compactMap { id in
      guard !tokenizer.isControl(Int32(id)) else { return nil }
      let piece = tokenizer.piece(Int32(id))
      guard (1...4).contains(piece.count), piece.allSatisfy({ (0x30...0x39).contains($0) }) else {
        return nil
      }
      return (id, String(decoding: piece, as: UTF8.self))
    }
  }

  /// The values of a number with each token in the place of the right one, as changes in percent of `size`, signed.
  package func changes(_ place: AnswerTokens.Place, size: Double) -> [Double] {
    tokens.map { token in
      guard let value = Double(place.prefix + token.text + place.suffix) else { return 0 }
      return min(max(100 * (value - place.value) / size, -100), 100)
    }
  }

  /// Scores one digit.
  ///
  /// - Parameters:
  ///   - p: Probabilities of ``tokens`` under the base.
  ///   - q: The same under the tested model.
  ///   - changes: What each token does to the number.
  /// - Returns: The sums of one digit.
  package func score(p: [Double], q: [Double], changes: [Double]) -> CoordinateSums {
    var sums = CoordinateSums()
    sums.count = 1
    let (pTotal, qTotal) = (p.reduce(0, +), q.reduce(0, +))
    for index in changes.indices {
      sums.error += q[index] * abs(changes[index])
      sums.baseError += p[index] * abs(changes[index])
    }
    // Where one model expects no digit at all there is nothing to compare.
    guard pTotal > 1e-12, qTotal > 1e-12 else { return sums }
    let order = changes.indices.sorted { (changes[$0], $0) < (changes[$1], $1) }
    var gap = 0.0
    for (index, next) in zip(order, order.dropFirst()) {
      gap += q[index] / qTotal - p[index] / pTotal
      sums.shift += abs(gap) * (changes[next] - changes[index])
    }
    return sums
  }
}
