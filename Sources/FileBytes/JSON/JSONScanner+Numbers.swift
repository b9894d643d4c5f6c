extension JSONScanner {
  /// Takes a whole number of at least 0 that is written with digits alone.
  ///
  /// - Parameters:
  ///   - what: What it counts, for messages.
  ///   - subject: The key in question.
  /// - Returns: The number.
  /// - Throws: ``JSONError`` with `badNumber` or `numberOverflow`.
  package mutating func count(_ what: String = "a number", subject: String = "") throws(JSONError) -> Int {
    skipSpace()
    let start = position
    var value = 0
    while let byte = current, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
      let (scaled, overflow1) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = scaled.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
      guard !overflow1, !overflow2 else {
        throw failure(.numberOverflow, subject: subject, expected: "\(what) below 2^63", at: start)
      }
      value = sum
      position += 1
    }
    let digits = position - start
    guard digits > 0, digits == 1 || bytes[start] != UInt8(ascii: "0") else {
      throw failure(
        .badNumber, subject: subject, expected: "\(what), a whole number of at least 0", at: start)
    }
    if let byte = current, byte == UInt8(ascii: ".") || byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E")
    {
      throw failure(
        .badNumber, subject: subject, expected: "\(what), a whole number of at least 0", at: position)
    }
    return value
  }

  /// A number as it was written.
  package enum Number: Hashable, Sendable {
    /// Digits alone, and within 64 bits.
    case integer(Int)
    /// Anything else, rounded to the nearest double; infinite beyond its range.
    case floatingPoint(Double)

    /// The value as a double.
    package var value: Double {
      switch self {
      case .integer(let value): Double(value)
      case .floatingPoint(let value): value
      }
    }
  }

  /// Takes any number; of Python's, also `NaN`, `Infinity` and `-Infinity`.
  ///
  /// - Throws: ``JSONError``.
  package mutating func number() throws(JSONError) -> Number {
    skipSpace()
    let start = position
    if dialect == .python {
      if current == UInt8(ascii: "N") {
        try word("NaN")
        return .floatingPoint(.nan)
      }
      if current == UInt8(ascii: "I") {
        try word("Infinity")
        return .floatingPoint(.infinity)
      }
    }
    if current == UInt8(ascii: "-") { position += 1 }
    if dialect == .python, position > start, current == UInt8(ascii: "I") {
      try word("Infinity")
      return .floatingPoint(-.infinity)
    }
    let first = position
    guard skipDigits() > 0, position == first + 1 || bytes[first] != UInt8(ascii: "0") else {
      throw failure(expected: "a JSON value", at: start)
    }
    var isWhole = true
    if current == UInt8(ascii: ".") {
      isWhole = false
      position += 1
      guard skipDigits() > 0 else { throw failure(expected: "digits after the decimal point") }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      isWhole = false
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      guard skipDigits() > 0 else { throw failure(expected: "digits in the exponent") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isWhole, let value = Int(text) { return .integer(value) }
    guard let value = Double(text) else { throw failure(expected: "a number", at: start) }
    return .floatingPoint(value)
  }

  /// Moves past decimal digits and returns how many there were.
  private mutating func skipDigits() -> Int {
    let start = position
    while let byte = current, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
    return position - start
  }
}
