import FileBytes
import Foundation
import ModelEvaluation
import SVGAnalysis
import TestSupport
import Testing

@Suite("Assertions on drawings")
struct TruthTests {
  private static let prompts = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
    .appendingPathComponent("samples/prompts")

  private static func path(_ name: String) -> String { prompts.appendingPathComponent(name).path }

  private func met(_ id: String, _ body: String, viewBox: String = "0 0 72 72") throws -> [Bool] {
    let set = try PromptSet(paths: [Self.path("layer-c.jsonl"), Self.path("heritage.jsonl")])
    let prompt = try #require(set.prompts.first { $0.id == id })
    let drawing = try Drawing(try SanitizedSVG(source: "<svg viewBox='\(viewBox)'>\(body)</svg>"))
    return prompt.assertions.map(AssertionChecker(drawing).holds)
  }

  @Test("the prompt sets are as they are described")
  func sets() throws {
    #expect(try PromptSet(paths: [Self.path("heritage.jsonl")]).prompts.count == 20)
    let truth = try PromptSet(paths: [Self.path("layer-c.jsonl")]).prompts
    #expect(truth.count == 64)
    #expect(truth.allSatisfy { (3...8).contains($0.assertions.count) })
    let split = try PromptSet(paths: [Self.path("sample-split.jsonl")]).prompts
    #expect(split.allSatisfy { $0.reference != nil } && split.count == 59)
  }

  /// For each kind of prompt a right drawing, and a wrong one with the assertion that fails.
  @Test(arguments: [
    (
      "c-bars-6-2-8",
      "<rect x='8' y='28' width='16' height='36' fill='red'/><rect x='28' y='52' width='16' height='12' fill='red'/><rect x='48' y='16' width='16' height='48' fill='red'/><path d='M6 6v58h62' fill='none' stroke='black'/>",
      "<rect x='8' y='28' width='16' height='36' fill='red'/><rect x='28' y='16' width='16' height='48' fill='red'/><rect x='48' y='52' width='16' height='12' fill='red'/>",
      1
    ),
    (
      "c-clock-10-10",
      "<circle cx='36' cy='36' r='30' fill='none' stroke='red' stroke-width='3'/><path d='M36 36L57 24' stroke='black' stroke-width='2'/><path d='M36 36L24.5 27.2' stroke='black' stroke-width='4'/>",
      "<circle cx='36' cy='36' r='30' fill='none' stroke='red'/><path d='M36 36L57 48' stroke='black'/><path d='M36 36L24.5 27.2' stroke='black'/>",
      1
    ),
    (
      "c-row-red-green-blue",
      "<circle cx='12' cy='36' r='9' fill='red'/><circle cx='36' cy='36' r='9' fill='#0a0'/><circle cx='60' cy='36' r='9' fill='blue'/>",
      "<circle cx='12' cy='36' r='9' fill='red'/><circle cx='36' cy='36' r='9' fill='blue'/><circle cx='60' cy='36' r='9' fill='green'/>",
      2
    ),
    (
      "c-relation-blue-square-leftOf",
      "<rect x='6' y='27' width='18' height='18' fill='blue'/><circle cx='54' cy='36' r='9' fill='red'/>",
      "<rect x='48' y='27' width='18' height='18' fill='blue'/><circle cx='12' cy='36' r='9' fill='red'/>", 2
    ),
    (
      "c-relation-red-square-inside",
      "<circle cx='36' cy='36' r='30' fill='blue'/><rect x='30' y='30' width='12' height='12' fill='red'/>",
      "<circle cx='36' cy='36' r='20' fill='blue'/><rect x='50' y='50' width='12' height='12' fill='red'/>", 2
    ),
    (
      "c-seven-segment-5",
      "<g stroke='red' stroke-width='5'><path d='M22 8H50M20 10V34M22 36H50M52 38V62M22 64H50'/></g>",
      "<g stroke='red' stroke-width='5'><path d='M22 8H50M52 10V34M22 36H50M52 38V62M22 64H50'/></g>", 1
    ),
    (
      "c-tic-tac-toe-X.O.X.O.X".replacing(".", with: "_"),
      "<path d='M24 0V72M48 0V72M0 24H72M0 48H72' stroke='black'/><path d='M6 6L18 18M18 6L6 18M30 30L42 42M42 30L30 42M54 54L66 66M66 54L54 66' stroke='red' fill='none'/><circle cx='60' cy='12' r='7' fill='none' stroke='blue'/><circle cx='12' cy='60' r='7' fill='none' stroke='blue'/><path d='M6 6L18 18' stroke='red'/>",
      "<path d='M24 0V72M48 0V72M0 24H72M0 48H72' stroke='black'/><circle cx='36' cy='12' r='7' fill='none' stroke='blue'/>",
      0
    ),
    (
      "c-flag-vertical-blue-white-red",
      "<rect x='6' y='15' width='20' height='40' fill='blue'/><rect x='26' y='15' width='20' height='40' fill='white'/><rect x='46' y='15' width='20' height='40' fill='red'/>",
      "<rect x='6' y='15' width='20' height='40' fill='red'/><rect x='26' y='15' width='20' height='40' fill='white'/><rect x='46' y='15' width='20' height='40' fill='blue'/>",
      0
    ),
    (
      "c-flag-japan",
      "<rect x='6' y='12' width='60' height='40' fill='white'/><circle cx='36' cy='32' r='12' fill='#bc002d'/>",
      "<rect x='6' y='12' width='60' height='40' fill='red'/><circle cx='36' cy='32' r='12' fill='white'/>", 0
    ),
    (
      "c-polygon-pentagon", "<polygon points='36,6 66,28 54,64 18,64 6,28' fill='blue'/>",
      "<polygon points='36,6 66,36 36,66 6,36' fill='blue'/>", 0
    ),
    (
      "c-bicycle-red",
      "<g fill='none' stroke='red' stroke-width='2'><circle cx='20' cy='58' r='10'/><circle cx='52' cy='58' r='10'/><path d='M20 58l10-14h18l4 14M30 44l6 14h-16M36 58l12-14v-7h5M27 43h6'/></g>",
      "<g fill='none' stroke='red'><circle cx='20' cy='58' r='10'/><circle cx='52' cy='58' r='5'/></g>", 0
    ),
  ])
  func rightAndWrong(id: String, right: String, wrong: String, failing: Int) throws {
    if id.hasPrefix("c-tic") {
      // The right board has marks drawn as single paths across cells; each mark is its own element here.
      let marks = [(12, 12), (36, 36), (60, 60)].map { x, y in
        "<path d='M\(x - 6) \(y - 6)L\(x + 6) \(y + 6)M\(x + 6) \(y - 6)L\(x - 6) \(y + 6)' stroke='red'/>"
      }
      let board =
        "<path d='M24 0V72M48 0V72M0 24H72M0 48H72' stroke='black'/>" + marks.joined()
        + "<circle cx='60' cy='12' r='7' fill='none' stroke='blue'/><circle cx='12' cy='60' r='7' fill='none' stroke='blue'/>"
      let result = try met(id, board)
      #expect(result.allSatisfy { $0 }, "\(result)")
    } else {
      let result = try met(id, right)
      #expect(result.allSatisfy { $0 }, "\(result)")
    }
    let result = try met(id, wrong)
    #expect(result[failing] == false, "\(result)")
  }

  @Test("chess pieces stand where they should")
  func chess() throws {
    var squares = ""
    for index in 0..<64 {
      let (x, y) = (index % 8, index / 8)
      squares +=
        "<rect x='\(x * 9)' y='\(y * 9)' width='9' height='9' fill='\((x + y) % 2 == 0 ? "#eed" : "#675")'/>"
    }
    let kings =
      "<text x='4.5' y='70' text-anchor='middle' font-size='8'>K</text><circle cx='67.5' cy='67.5' r='3'/>"
    #expect(try met("c-chess-8.8.8.8.8.8.8.K6k", squares + kings) == [true, true, true, true])
    #expect(try met("c-chess-8.8.8.8.8.8.8.K6k", squares) == [false, false, true, true])
  }

  @Test("the heritage bicycle of the sample's own generator passes")
  func heritage() throws {
    let reference =
      "<g fill='none' stroke='red' stroke-width='2'><circle cx='20' cy='58' r='10'/><circle cx='52' cy='58' r='10'/><path d='M20 58l10-14h18l4 14M30 44l6 14h-16M36 58l12-14v-7h5M27 43h6'/></g><g transform='translate(32 27)'><circle cy='8' r='8' fill='lightblue'/></g>"
    #expect(try met("heritage-pelican-bicycle", reference) == [true, true, true, true])
    #expect(
      try met("heritage-pelican-bicycle", "<rect width='72' height='20'/>") == [false, false, false, false])
  }

  @Test(
    "a bicycle alone, one of another colour, and things that are not on it do not pass as what was asked for")
  func rider() throws {
    func bicycle(_ colour: String, wheels: String? = nil) -> String {
      "<g fill='none' stroke-width='2'><g stroke='\(wheels ?? colour)'><circle cx='20' cy='58' r='10'/>"
        + "<circle cx='52' cy='58' r='10'/></g><path stroke='\(colour)' d='M20 58l10-14h18l4 14M30 44l6 14h-16M36 58l12-14v-7h5M27 43h6'/></g>"
    }
    let pelican = "<ellipse cx='36' cy='32' rx='8' ry='11' fill='lightblue'/>"
    let id = "heritage-pelican-green-bicycle"
    // Wheels, frame, saddle; something on it; green.
    #expect(try met(id, bicycle("green") + pelican) == [true, true, true, true, true])
    #expect(try met(id, bicycle("green", wheels: "black") + pelican)[4])
    #expect(try met(id, bicycle("black", wheels: "#2a2") + pelican)[4])
    #expect(try met(id, bicycle("red") + pelican) == [true, true, true, true, false])
    #expect(
      try met(id, bicycle("black", wheels: "red") + pelican.replacing("lightblue", with: "green"))[4] == false
    )
    for other in [
      "", "<circle cx='36' cy='8' r='7' fill='gold'/>",
      "<ellipse cx='8' cy='36' rx='8' ry='11' fill='blue'/>",
      "<path d='M0 30h72v10h-72z' fill='skyblue'/>", "<circle cx='34' cy='42' r='2' fill='black'/>",
    ] {
      #expect(try met(id, bicycle("green") + other)[3] == false, "\(other)")
    }
  }

  @Test("labels say what the checks are about")
  func subjects() throws {
    let set = try PromptSet(paths: [Self.path("heritage.jsonl")])
    let prompt = try #require(set.prompts.first { $0.id == "heritage-pelican-green-bicycle" })
    #expect(GeometryAssertion.subjects(prompt.assertions) == ["bicycle", "something on it", "its colour"])
    for check in GeometryAssertion.Check.allCases { #expect(!check.subject.isEmpty) }
  }

  @Test(
    "colours have the categories that people give them",
    arguments: [
      ("#e53935", ColourCategory.red), ("#2ecc71", .green), ("#f1c40f", .yellow), ("#8e44ad", .purple),
      ("#34495e", .gray),
      ("#000", .black), ("#fefefe", .white), ("navy", .blue), ("#ff9800", .orange), ("saddlebrown", .brown),
    ])
  func categories(text: String, category: ColourCategory) throws {
    #expect(ColourCategory(of: try #require(SVGColour.parse(text))) == category)
  }

  @Test(
    "bad prompt files are refused with file and line",
    arguments: [
      ("{\"prompt\": \"a\"}\n{\"id\": \"b\"}\n", "line 2"), ("nonsense", "line 1"), ("", ""), ("\n\n", ""),
      ("{\"prompt\": \"\"}", "line 1"), ("{\"id\": \"a/b\", \"prompt\": \"x\"}", "line 1"),
      ("{\"id\": \"a\", \"prompt\": \"x\"}\n{\"id\": \"a\", \"prompt\": \"y\"}", "line 2"),
      ("{\"prompt\": \"x\", \"assertions\": [{\"check\": \"magic\"}]}", "line 1"), ("[1]", "line 1"),
    ])
  func badPrompts(text: String, place: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("p.jsonl", Array(text.utf8))
    let error = try #require(throws: EvaluationError.self) { try PromptSet(paths: [path]) }
    #expect(error.code == .badPrompts && error.fault.file == path && error.fault.subject.description == place)
  }

  @Test(
    "bad values are named with their place in the line",
    arguments: [
      (#"{"id": 5, "prompt": "a"}"#, "a text", "id: 5"),
      (#"{"id": "a"}"#, "an object with a prompt", "no \"prompt\""),
      (#"{"prompt": null}"#, "an object with a prompt", "no \"prompt\""),
      (#"[1]"#, "an object with a prompt", "an array of 1"),
      (#"{"prompt": "x", "assertions": {}}"#, "a list of objects", "assertions: an object with 0 keys"),
      (#"{"prompt": "x", "assertions": [7]}"#, "an object", "assertions 1: 7"),
      (
        #"{"prompt": "x", "assertions": [{"check": "row"}, {"check": "count", "equals": 1.5}]}"#,
        "a whole number",
        "assertions 2, equals: 1.5"
      ),
      (
        #"{"prompt": "x", "assertions": [{"check": "row", "of": {"colour": ["red"]}}]}"#, "a text",
        "assertions 1, of, colour: an array of 1"
      ),
      (
        #"{"prompt": "x", "assertions": [{"check": "heights", "values": [1, 1e999]}]}"#, "a list of numbers",
        "assertions 1, values: an array of 2"
      ),
      (#"{"prompt": "x", "svg": NaN}"#, "a JSON value", "\"N\" at byte 23"),
      (#"{"prompt": "x"} y"#, "nothing but spaces after the document", "\"y\" at byte 16"),
      (#"{"prompt": "x"#, "the closing quote of a string", "the end of the text at byte 13"),
    ])
  func badValues(text: String, expected: String, found: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("p.jsonl", Array(("\n" + text + "\n").utf8))
    let error = try #require(throws: EvaluationError.self) { try PromptSet(paths: [path]) }
    #expect(error.code == .badPrompts && error.fault.subject == "line 2")
    #expect(
      error.fault.expected.description == expected && error.fault.found.description == found, "\(error.fault)"
    )
  }

  @Test("a check that is not known is answered with those that are")
  func unknownCheck() throws {
    let folder = try TemporaryFolder()
    for check in [#""check": "magic""#, #""check": 3"#, #""of": {}"#] {
      let path = try folder.write("p.jsonl", Array("{\"prompt\": \"x\", \"assertions\": [{\(check)}]}".utf8))
      let error = try #require(throws: EvaluationError.self) { try PromptSet(paths: [path]) }
      #expect(error.fault.found.hasPrefix("assertions 1, check: "))
      if !check.contains("3") { #expect(error.fault.expected.hasPrefix("one of count, row, ")) }
    }
  }

  @Test("whole numbers may be written as fractions, nulls left out, unknown members added, a mark come first")
  func lenient() throws {
    let folder = try TemporaryFolder()
    let text =
      #"{"prompt": "x", "id": null, "more": [{}], "assertions": [{"check": "count", "equals": 2.0, "x": 1, "#
      + #""of": {"shape": "circle", "minSize": 0.25}, "than": null, "values": [1, 2.5], "colours": ["red"]}]}"#
    let path = try folder.write("p.jsonl", [0xEF, 0xBB, 0xBF] + Array((text + "\r\n").utf8))
    let prompt = try #require(try PromptSet(paths: [path]).prompts.first)
    var expected = GeometryAssertion(.count, of: ShapeSelector(shape: "circle", minSize: 0.25))
    (expected.equals, expected.x, expected.values, expected.colours) = (2, 1, [1, 2.5], ["red"])
    #expect(prompt == DrawingPrompt(id: "p-1", family: "drawing", prompt: "x", assertions: [expected]))
  }

  @Test("every check has its word, and unmet selections fail it")
  func nothingThere() throws {
    let empty = AssertionChecker(try Drawing(try SanitizedSVG(source: "<svg viewBox='0 0 9 9'/>")))
    for check in GeometryAssertion.Check.allCases where ![.cellEmpty, .notColourAt].contains(check) {
      #expect(!empty.holds(GeometryAssertion(check)), "\(check)")
    }
  }
}
