import FileBytes
import Testing

/// Takes one value of any kind from a text and returns where it stands, or the code of the refusal.
private func skip(_ text: String, _ dialect: JSONScanner.Dialect, limit: Int = 32) -> Result<Int, JSONError> {
  skip(Array(text.utf8), dialect, limit: limit)
}

private func skip(_ bytes: [UInt8], _ dialect: JSONScanner.Dialect, limit: Int = 32) -> Result<Int, JSONError>
{
  bytes.withUnsafeBytes { buffer in
    var scanner = JSONScanner(buffer, file: "f.json", dialect: dialect, nestingLimit: limit)
    do {
      let range = try scanner.skipValue()
      try scanner.finish()
      return .success(range.count)
    } catch let error as JSONError {
      return .failure(error)
    } catch {
      return .failure(JSONError(.malformed, Fault(expected: "a JSONError", found: "\(error)")))
    }
  }
}

private func number(_ text: String, _ dialect: JSONScanner.Dialect) throws -> JSONScanner.Number {
  try Array(text.utf8).withUnsafeBytes { buffer in
    var scanner = JSONScanner(buffer, file: "f.json", dialect: dialect)
    let value = try scanner.number()
    try scanner.finish()
    return value
  }
}

@Suite("JSON scanner")
struct JSONScannerTests {
  @Test("what both dialects accept", arguments: [JSONScanner.Dialect.strict, .python])
  func accepts(dialect: JSONScanner.Dialect) throws {
    for text in [
      "0", "-0", "1.5e-3", "1E+2", "true", "false", "null", "\"\"", "[]", "{}", " [ 1 , 2 ] ",
      #"{"a":{"b":[{"c":"é\u00e9\ud83d\ude00"}]}}"#, "\"\u{7F}\"",
    ] {
      #expect((try? skip(text, dialect).get()) != nil, "\(text)")
    }
  }

  @Test("what neither accepts", arguments: [JSONScanner.Dialect.strict, .python])
  func refuses(dialect: JSONScanner.Dialect) {
    for text in [
      "", " ", "01", "-", "+1", ".5", "1.", "1e", "--1", "0x1", "tru", "True", "None", "nan", "inf",
      "+Infinity",
      "Inf", "-NaN", "Infinityx", "[1,]", "{\"a\":1,}", "{a:1}", "{'a':1}", "[1 2]", "{\"a\" 1}", "[", "{",
      "\"",
      "\"\\x\"", "\"\\ud800\"", "\"\\ude00\"", "\"a\nb\"", "1 2", "]", "// x\n1", "\u{FEFF}\u{FEFF}1",
    ] {
      #expect((try? skip(text, dialect).get()) == nil, "\(text)")
    }
  }

  @Test("what Python alone writes")
  func python() throws {
    for text in ["NaN", "Infinity", "-Infinity", "[NaN, Infinity]", "{\"a\":-Infinity}", "\u{FEFF}{}"] {
      #expect((try? skip(text, .python).get()) != nil, "\(text)")
      #expect((try? skip(text, .strict).get()) == nil, "\(text)")
    }
    #expect(try number("NaN", .python).value.isNaN)
    #expect(try number("Infinity", .python) == .floatingPoint(.infinity))
    #expect(try number("-Infinity", .python) == .floatingPoint(-.infinity))
  }

  @Test("numbers keep whether they were written as whole ones")
  func numbers() throws {
    #expect(try number("9223372036854775807", .strict) == .integer(.max))
    #expect(try number("-9223372036854775808", .strict) == .integer(.min))
    #expect(try number("9223372036854775808", .strict) == .floatingPoint(0x1p63))
    #expect(try number("1.0", .strict) == .floatingPoint(1))
    #expect(try number("1e400", .strict) == .floatingPoint(.infinity))
    #expect(try number("0.1", .strict) == .floatingPoint(0.1))
    #expect(try number("5e-324", .strict) == .floatingPoint(.leastNonzeroMagnitude))
  }

  @Test("nesting has a limit, whatever the text claims")
  func nesting() {
    func code(_ text: String, _ limit: Int) -> JSONError.Code? {
      if case .failure(let error) = skip(text, .strict, limit: limit) { error.code } else { nil }
    }
    let deep = { (count: Int) in String(repeating: "[", count: count) + String(repeating: "]", count: count) }
    #expect(code(deep(32), 32) == nil)
    #expect(code(deep(33), 32) == .nestingTooDeep)
    #expect(code(String(repeating: "{\"\":", count: 1_000_000), 256) == .nestingTooDeep)
  }

  @Test("strings come back scalar for scalar")
  func strings() throws {
    let texts = ["\u{E9}", "e\u{301}", "\u{212A}", "\u{0}\u{1F600}"]
    let json = #"["\u00e9", "e\u0301", "\u212a", "\u0000\ud83d\ude00"]"#
    var found: [[UInt8]] = []
    try Array(json.utf8).withUnsafeBytes { buffer in
      var scanner = JSONScanner(buffer, file: "f.json", dialect: .strict)
      try scanner.forEachElement { found.append(Array(try $0.string().utf8)) }
    }
    #expect(found == texts.map { Array($0.utf8) })
    let invalid: [UInt8] = [0x22, 0xC0, 0xAF, 0x22]
    guard case .failure(let error) = skip(invalid, .python) else {
      Issue.record("overlong UTF-8 was accepted")
      return
    }
    #expect(error.code == .notUTF8 && error.fault.file == "f.json")
  }

  @Test("every cut of a text is refused")
  func cuts() {
    let text = #"{"a":[1,-2.5e3,"x\u00e9",{"b":NaN}],"c":true}"#
    #expect((try? skip(text, .python).get()) != nil)
    for length in 0..<text.utf8.count {
      #expect((try? skip(Array(text.utf8.prefix(length)), .python).get()) == nil, "\(length)")
    }
  }
}
