public import TensorTypes

extension MetadataKey {
  /// Why a value cannot stand under a key.
  public struct Complaint: Hashable, Sendable {
    /// What is wrong.
    public enum Aspect: Hashable, Sendable {
      /// The type of the value or of its elements.
      case type
      /// The number of elements.
      case length
      /// The value.
      case value
    }

    /// What is wrong.
    public var aspect: Aspect
    /// What the key takes.
    public var expected: String
    /// What it has.
    public var found: String
  }

  /// Checks a value's type, length and range, in this order.
  ///
  /// - Parameters:
  ///   - value: The value.
  ///   - blockCount: The blocks of the model; `nil` when the file does not say.
  /// - Returns: `nil` for a good value.
  public func complaint(about value: MetadataValue, blockCount: Int?) -> Complaint? {
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
    let bad: String? =
      switch range {
      case .any: nil
      case .integers(let range): value.numbers.first { !range.contains($0) }.map { "\($0)" }
      case .numbers(let low, let high, let isOpen):
        value.reals.first { !($0.isFinite && $0 <= high && (isOpen ? $0 > low : $0 >= low)) }.map { "\($0)" }
      case .texts(let texts):
        texts.contains(value.text ?? "") ? nil : value.text.map { "\"\($0.prefix(80))\"" } ?? value.phrase
      }
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
  public func phrase(blockCount: Int?) -> String {
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
  public var rangePhrase: String {
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

extension MetadataArray {
  /// The type of the elements.
  var element: MetadataKey.Element {
    switch self {
    case .uint8: .u8
    case .int8: .i8
    case .uint16: .u16
    case .int16: .i16
    case .uint32: .u32
    case .int32: .i32
    case .uint64: .u64
    case .int64: .i64
    case .float32: .f32
    case .float64: .f64
    case .bool: .bool
    case .string, .rawString: .string
    }
  }

  /// The elements as whole numbers; none for other types.
  var numbers: [Int] {
    switch self {
    case .uint8(let list): list.map(Int.init)
    case .int8(let list): list.map(Int.init)
    case .uint16(let list): list.map(Int.init)
    case .int16(let list): list.map(Int.init)
    case .uint32(let list): list.map(Int.init)
    case .int32(let list): list.map(Int.init)
    case .uint64(let list): list.map { Int(clamping: $0) }
    case .int64(let list): list.map(Int.init)
    case .float32, .float64, .bool, .string, .rawString: []
    }
  }
}

extension MetadataValue {
  /// The type of a single value; `nil` for a list.
  var element: MetadataKey.Element? {
    switch self {
    case .uint8: .u8
    case .int8: .i8
    case .uint16: .u16
    case .int16: .i16
    case .uint32: .u32
    case .int32: .i32
    case .uint64: .u64
    case .int64: .i64
    case .float32: .f32
    case .float64: .f64
    case .bool: .bool
    case .string, .rawString: .string
    case .array: nil
    }
  }

  /// The value, or the values of a list, as whole numbers; none for other types.
  public var numbers: [Int] {
    if case .array(let array) = self { array.numbers } else { integer.map { [$0] } ?? [] }
  }

  /// The value, or the values of a list, as real numbers; none for other types.
  var reals: [Double] {
    switch self {
    case .float32(let value): [Double(value)]
    case .float64(let value): [value]
    case .array(.float32(let list)): list.map(Double.init)
    case .array(.float64(let list)): list
    default: []
    }
  }

  /// The type in words, such as "a u32" or "an array of 3 i32".
  public var phrase: String {
    switch self {
    case .rawString: "a string that is not UTF-8"
    case .array(let array): "an array of \(array.count) \(array.element.rawValue)"
    default: element?.phrase ?? "a value"
    }
  }
}
