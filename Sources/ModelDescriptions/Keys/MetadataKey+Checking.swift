package import TensorTypes

extension MetadataKey {
  /// Why a value cannot stand under a key.
  package struct Complaint: Hashable, Sendable {
    /// What is wrong.
    package enum Aspect: Hashable, Sendable {
      /// The type of the value or of its elements.
      case type
      /// The number of elements.
      case length
      /// The value.
      case value
    }

    /// What is wrong.
    package var aspect: Aspect
    /// What the key takes.
    package var expected: String
    /// What it has.
    package var found: String
  }

  /// Checks a value's type, length and range, in this order.
  ///
  /// - Parameters:
  ///   - value: The value.
  ///   - blockCount: The blocks of the model; `nil` when the file does not say.
  /// - Returns: `nil` for a good value.
  package func complaint(about value: MetadataValue, blockCount: Int?) -> Complaint? {
    guard takes(value) else {
      return Complaint(aspect: .type, expected: phrase(blockCount: blockCount), found: value.phrase)
    }
    if case .array(let array) = value {
      let wanted: Int? =
        switch form {
        case .singleOrPerBlock, .perBlock: blockCount
        case .fixedList(let count): count
        case .single, .list: nil
        }
      if let wanted, array.count != wanted {
        return Complaint(aspect: .length, expected: phrase(blockCount: blockCount), found: value.phrase)
      }
    }
    let bad = range.outside(value)
    return bad.map { Complaint(aspect: .value, expected: rangePhrase, found: $0) }
  }

  /// Whether the type is one that loaders take; a list may have elements of several types.
  private func takes(_ value: MetadataValue) -> Bool {
    guard case .array(let array) = value else {
      return (form == .single || form == .singleOrPerBlock) && value.element == element
    }
    return form != .single && (array.element == element || alternatives.contains(array.element))
  }

  /// What the key takes, such as "a u32, or one for each of 4 blocks".
  package func phrase(blockCount: Int?) -> String {
    switch form {
    case .single: element.phrase
    case .singleOrPerBlock:
      "\(element.phrase), or an array with one for each of the \(blockCount.map { "\($0) " } ?? "")blocks"
    case .perBlock:
      "an array with one \(element.rawValue) for each of the \(blockCount.map { "\($0) " } ?? "")blocks"
    case .fixedList(let count): "an array of \(count) \(element.rawValue)"
    case .list: "an array of \(element.rawValue)" + (element == .string ? "s" : "")
    }
  }

  /// The range in words.
  package var rangePhrase: String {
    switch range {
    case .any: "any value"
    case .integers(let range):
      range.upperBound == .max ? "at least \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
    case .numbers(let low, let high, let isOpen):
      (high == .infinity ? "a finite number " : "a number ") + (isOpen ? "above " : "of at least ")
        + Self.text(low)
        + (high == .infinity ? "" : " and at most " + Self.text(high))
    case .texts(let texts):
      texts.count > 12
        ? "one of the \(texts.count) names that llama.cpp knows"
        : texts.dropLast().joined(separator: ", ") + " or " + (texts.last ?? "")
    }
  }

  private static func text(_ number: Double) -> String {
    Int(exactly: number).map(String.init) ?? "\(number)"
  }
}

extension MetadataKey.Range {
  /// Whether a value, or each element of a list, is in the range; values of types that the range is not made for are.
  func contains(_ value: MetadataValue) -> Bool { outside(value) == nil }

  /// The first number or the text of a value that is outside of the range, as messages show it.
  fileprivate func outside(_ value: MetadataValue) -> String? {
    switch self {
    case .any: nil
    case .integers(let range): value.numbers.first { !range.contains($0) }.map { "\($0)" }
    case .numbers(let low, let high, let isOpen):
      value.reals.first { !($0.isFinite && $0 <= high && (isOpen ? $0 > low : $0 >= low)) }.map { "\($0)" }
    case .texts(let texts):
      texts.contains(value.text ?? "") ? nil : value.text.map { "\"\($0.prefix(80))\"" } ?? value.phrase
    }
  }
}
