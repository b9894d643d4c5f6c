internal import Foundation

/// The functions that every template can call.
enum Functions {
  static func call(_ function: GlobalFunction, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Value
  {
    switch function {
    case .range:
      let numbers = try arguments.positionalOnly(1...3, "range").map { value throws in
        try value.requireDefined()
        guard let number = value.integer else {
          throw TemplateError(.type, "'\(value.typeName)' object cannot be interpreted as an integer")
        }
        return number
      }
      return .range(
        try NumberRange(
          start: numbers.count == 1 ? 0 : numbers[0], stop: numbers.count == 1 ? numbers[0] : numbers[1],
          step: numbers.count == 3 ? numbers[2] : 1))
    case .dict: return .dictionary(try dictionary(arguments, interpreter))
    case .dictFromKeys:
      let values = try arguments.positionalOnly(1...2, "fromkeys")
      var dictionary = Dictionary()
      for key in try interpreter.items(of: values[0]) {
        try dictionary.set(key, values.count > 1 ? values[1] : .none)
      }
      return .dictionary(dictionary)
    case .namespace:
      let namespace = try interpreter.makeNamespace()
      let values = try dictionary(arguments, interpreter)
      for (key, value) in zip(values.keys, values.values) {
        guard case .string(let name) = key else { continue }
        try namespace.set(name.string, value)
      }
      return .namespace(namespace)
    case .cycler:
      guard !arguments.positional.isEmpty, arguments.keywords.isEmpty else {
        throw TemplateError(.type, "at least one item has to be provided")
      }
      return .cycler(Cycler(try Elements(arguments.positional)))
    case .joiner: return .joiner(try Joiner(try arguments.bind(["sep"], "joiner")[0] ?? .text(", ")))
    case .raiseException:
      let message = try arguments.bind(["message"], required: 1, "raise_exception")[0] ?? .none
      throw TemplateError(.raised, try message.text().string)
    case .now:
      guard case .string(let format)? = try arguments.bind(["format"], required: 1, "strftime_now")[0] else {
        throw TemplateError(.type, "strftime_now() wants a text")
      }
      return .text(try DateFormat.text(format.string, interpreter.date))
    case .lipsum: throw TemplateError(.notSupported, "the function lipsum, which writes random text")
    }
  }

  /// `dict(pairs or mapping, name=value, …)`.
  private static func dictionary(_ arguments: Arguments, _ interpreter: Interpreter) throws -> Dictionary {
    guard arguments.positional.count <= 1 else {
      throw TemplateError(.type, "dict expected at most 1 argument, got \(arguments.positional.count)")
    }
    var result = Dictionary()
    switch arguments.positional.first {
    case .dictionary(let dictionary)?: result = dictionary
    case let pairs?:
      try pairs.requireDefined()
      for pair in try interpreter.items(of: pairs) {
        let parts = try interpreter.items(of: pair)
        guard parts.count == 2 else {
          throw TemplateError(
            .value, "dictionary update sequence element has length \(parts.count); 2 is required")
        }
        try interpreter.charge()
        try result.set(parts[0], parts[1])
      }
    case nil: break
    }
    for keyword in arguments.keywords { try result.set(.text(keyword.name), keyword.value) }
    return result
  }
}

/// Dates as Python's `strftime` writes them, in C's own language and without a time zone.
enum DateFormat {
  static func text(_ format: String, _ date: Date) throws -> String {
    guard format.utf8.count <= 1024 else {
      throw TemplateError(.limit, "a date format of more than 1024 bytes")
    }
    guard !format.utf8.contains(0) else { throw TemplateError(.value, "embedded null character") }
    var time = time_t(date.timeIntervalSince1970.rounded(.down))
    var parts = tm()
    guard gmtime_r(&time, &parts) != nil else { throw TemplateError(.value, "a date out of range") }
    // A byte more keeps a result without any character apart from one that does not fit.
    let marked = withoutPythonsOwn(format, date) + "."
    var buffer = [CChar](repeating: 0, count: 1 << 16)
    let count = buffer.withUnsafeMutableBufferPointer { strftime($0.baseAddress, $0.count, marked, &parts) }
    guard count > 0 else { throw TemplateError(.limit, "a date of more than \(1 << 16) bytes") }
    return String(decoding: buffer[..<(count - 1)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Seconds that clocks of this machine's place are ahead of Greenwich.
  ///
  /// By the C library, which reads the system's time zones: Foundation reads those of ICU, which installed programs go without.
  static func localOffset(at date: Date) -> Int {
    var time = time_t(date.timeIntervalSince1970.rounded(.down))
    var parts = tm()
    return localtime_r(&time, &parts) == nil ? 0 : parts.tm_gmtoff
  }

  /// Microseconds filled in, and the time zone left out, which Python's plain times do not know.
  private static func withoutPythonsOwn(_ format: String, _ date: Date) -> String {
    var result = ""
    var rest = format.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      guard scalar == "%", let kind = rest.first else {
        result.unicodeScalars.append(scalar)
        continue
      }
      rest.removeFirst()
      switch kind {
      case "z", "Z": break
      case "f":
        let seconds = date.timeIntervalSince1970
        let digits = String(Int((seconds - seconds.rounded(.down)) * 1e6))
        result += String(repeating: "0", count: max(0, 6 - digits.count)) + digits
      default: result += "%" + String(kind)
      }
    }
    return result
  }
}
