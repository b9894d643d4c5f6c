internal import Foundation

/// Filters that take or give numbers.
enum NumberFilters {
  static func apply(_ name: String, _ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Value
  {
    switch name {
    case "abs":
      _ = try arguments.bind([], name)
      try value.requireDefined()
      if let number = value.integer {
        return number < 0 ? try Operators.negative(.int(number)) : .int(number)
      }
      guard let number = value.double else {
        throw TemplateError(.type, "bad operand type for abs(): '\(value.typeName)'")
      }
      return .float(abs(number))
    case "int":
      let bound = try arguments.bind(["default", "base"], name)
      return try whole(value, bound[0] ?? .int(0), bound[1]?.integer ?? 10)
    case "float":
      let bound = try arguments.bind(["default"], name)
      try value.requireDefined()
      return floating(value).map { .float($0) } ?? bound[0] ?? .float(0)
    case "round": return try round(value, arguments)
    case "sum":
      let bound = try arguments.bind(["attribute", "start"], name)
      let path = try AttributePath(bound[0]) ?? AttributePath([])
      var sum = bound[1] ?? .int(0)
      if case .string = sum { throw TemplateError(.type, "sum() can't sum strings") }
      for item in try interpreter.items(of: value) {
        sum = try Operators.apply(.add, sum, try path.value(of: item, interpreter), interpreter)
      }
      return sum
    default: throw Filters.unknown(name, line: interpreter.line)
    }
  }

  private static func whole(_ value: Value, _ preset: Value, _ base: Int) throws -> Value {
    try value.requireDefined()
    if let number = value.integer { return .int(number) }
    if case .string(let text) = value, let number = try whole(text, base) { return .int(number) }
    guard let number = floating(value), number.isFinite else {
      // Python fails for an infinity that is a number, not for one that is a text.
      if case .float(let number) = value, number.isInfinite {
        throw TemplateError(.value, "cannot convert float infinity to integer")
      }
      return preset
    }
    guard let whole = Int(exactly: number.rounded(.towardZero)) else { throw Operators.tooLarge() }
    return .int(whole)
  }

  private static func whole(_ text: Text, _ base: Int) throws -> Int? {
    guard base == 0 || 2...36 ~= base else { return nil }
    let original = plain(text)
    var digits = original.replacingOccurrences(of: "_", with: "")
    // Underscores stand between digits only.
    if original.hasPrefix("_") || original.hasSuffix("_") || original.contains("__") { return nil }
    var sign = ""
    if let first = digits.first, first == "-" || first == "+" { sign = first == "-" ? "-" : "" }
    if digits.hasPrefix("-") || digits.hasPrefix("+") { digits.removeFirst() }
    var radix = base
    for (prefix, value) in [("0x", 16), ("0o", 8), ("0b", 2)]
    where (base == value || base == 0) && digits.lowercased().hasPrefix(prefix) {
      digits.removeFirst(2)
      radix = value
    }
    if radix == 0 { radix = 10 }
    guard let first = digits.unicodeScalars.first,
      first.properties.numericType != nil || first.isPythonLetter,
      digits.unicodeScalars.allSatisfy(\.isASCII)
    else { return nil }
    if let number = Int(sign + digits, radix: radix) { return number }
    let isNumber = digits.allSatisfy { $0.hexDigitValue.map { $0 < radix } ?? false }
    if isNumber { throw Operators.tooLarge() }
    return nil
  }

  /// The text without white space around it, digits of all scripts as those of ASCII.
  private static func plain(_ text: Text) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.stripped().scalars {
      let value = scalar.properties.numericType == .decimal ? scalar.properties.numericValue : nil
      result.append(value.flatMap { Unicode.Scalar(UInt8(0x30 + $0)) } ?? scalar)
    }
    return String(result)
  }

  /// `float(value)` where that works.
  private static func floating(_ value: Value) -> Double? {
    if let number = value.double { return number }
    guard case .string(let text) = value else { return nil }
    let digits = plain(text)
    let plain = digits.lowercased().drop { $0 == "+" || $0 == "-" }
    guard let first = plain.first, first.isASCII, !digits.lowercased().contains("x"), !plain.contains("(")
    else {
      return nil
    }
    if digits.contains("_") {
      let parts = Array(digits.unicodeScalars)
      for (index, scalar) in parts.enumerated() where scalar == "_" {
        guard index > 0, index + 1 < parts.count, "0"..."9" ~= parts[index - 1], "0"..."9" ~= parts[index + 1]
        else { return nil }
      }
    }
    return Double(digits.replacingOccurrences(of: "_", with: ""))
  }

  private static func round(_ value: Value, _ arguments: Arguments) throws -> Value {
    let bound = try arguments.bind(["precision", "method"], "round")
    let method = try (bound[1] ?? .text("common")).text().string
    guard ["common", "ceil", "floor"].contains(method) else {
      throw TemplateError(.value, "method must be common, ceil or floor")
    }
    try value.requireDefined()
    guard let precision = (bound[0] ?? .int(0)).integer else {
      throw TemplateError(.type, "round() wants a number of digits")
    }
    guard -300...300 ~= precision else {
      throw TemplateError(.notSupported, "round() to \(precision) digits")
    }
    guard let number = value.double else {
      throw TemplateError(.type, "type \(value.typeName) doesn't define __round__ method")
    }
    if method != "common" {
      let power = pow(10, Double(precision))
      let scaled = number * power
      guard scaled.isFinite else { throw TemplateError(.value, "a number out of range") }
      return .float((method == "ceil" ? scaled.rounded(.up) : scaled.rounded(.down)) / power)
    }
    if let whole = value.integer {
      if precision >= 0 { return .int(whole) }
      guard precision > -19 else { return .int(0) }
      let unit = (0..<(-precision)).reduce(1) { value, _ in value * 10 }
      return .int(try rounded(whole, to: unit))
    }
    guard number.isFinite else { return .float(number) }
    if precision >= 0 { return .float(Double(FormatSpec.c(number, precision, "f")) ?? number) }
    let unit = pow(10, Double(-precision))
    return .float((number / unit).rounded(.toNearestOrEven) * unit)
  }

  /// The nearest multiple, the even one of two.
  private static func rounded(_ value: Int, to unit: Int) throws -> Int {
    var (quotient, rest) = value.quotientAndRemainder(dividingBy: unit)
    let half = unit / 2
    if rest.magnitude > half || (rest.magnitude == half && quotient % 2 != 0) {
      quotient += value < 0 ? -1 : 1
    }
    rest = 0
    let (product, overflow) = quotient.multipliedReportingOverflow(by: unit)
    guard !overflow else { throw Operators.tooLarge() }
    return product
  }
}
