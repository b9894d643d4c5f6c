import FileBytes
import Testing

@Suite struct JSONTextTests {
  @Test func readsBackAsItWas() throws {
    let value = JSONValue.object([
      "b": .array([.integer(1), .number(1e-06), .number(-2.5), .null, .bool(true)]), "a": .object([:]),
      "text \"quoted\"": .string("Zürich \\ tab\t end\n 𝄞"), "empty": .array([]),
    ])
    let text = value.indentedText
    #expect(text.utf8.allSatisfy { $0 < 0x80 })
    #expect(try JSONValue(parsing: Array(text.utf8), file: "") == value)
    #expect(text.hasPrefix("{\n    \"a\": {},\n    \"b\": [\n        1,\n        1e-06,\n"))
  }
}
