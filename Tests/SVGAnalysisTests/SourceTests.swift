import SVGAnalysis
import Testing

@Suite("Extraction, sanitizing, lexing")
struct SourceTests {
  private static let circle = #"<svg viewBox="0 0 9 9"><circle r="4"/></svg>"#

  @Test(
    "drawings are found in what models write",
    arguments: [
      circle, "Here it is:\n```svg\n\(circle)\n```\nEnjoy!", "```xml\n<?xml version=\"1.0\"?>\n\(circle)```",
      "<think>maybe <svg><rect/></svg>?</think>\(circle)", "I will use the <svg> element.\n\(circle)",
      "\(circle)\n\(circle)",
    ])
  func extraction(output: String) throws {
    let found = try #require(SVGExtraction.find(in: output))
    #expect(found.isSalvaged == false)
    #expect(found.source == Self.circle)
    #expect(String(decoding: Array(output.utf8)[found.range], as: UTF8.self) == Self.circle)
  }

  @Test(
    "nesting, comments and quotes do not end a drawing",
    arguments: [
      "<svg><svg/><svg><g/></svg><rect/></svg>", "<svg><!-- </svg> --><rect/></svg>",
      "<svg><text>a</text><rect id='</svg>'/></svg>", "<svg><style><![CDATA[</svg>]]></style></svg>",
    ])
  func whole(source: String) {
    #expect(SVGExtraction.find(in: "x" + source + "y")?.source == source)
  }

  @Test(
    "drawings that break off are closed after their last tag",
    arguments: [
      ("<svg viewBox='0 0 9 9'><g><rect width='3' hei", "<svg viewBox='0 0 9 9'><g></g></svg>"),
      ("<svg><rect/><text>ab", "<svg><rect/><text></text></svg>"), ("<svg a='>'><!-- x", "<svg a='>'></svg>"),
    ])
  func salvage(output: String, expected: String) throws {
    let found = try #require(SVGExtraction.find(in: output))
    #expect(found.isSalvaged && found.source == expected)
  }

  @Test(
    "nothing is found where nothing is",
    arguments: ["", "svg", "<svgx></svgx>", "<svg", "no drawing today", "<sv"])
  func nothing(output: String) { #expect(SVGExtraction.find(in: output) == nil) }

  @Test("many openings are no burden")
  func openings() {
    #expect(SVGExtraction.find(in: String(repeating: "<svg ", count: 20_000)) == nil)
    #expect(SVGExtraction.find(in: String(repeating: "<svg>", count: 20_000))?.isSalvaged == true)
  }

  @Test("attribute order, quotes and white space are not seen")
  func canonical() throws {
    let a = try SanitizedSVG(
      source: #"<svg viewBox="0 0 9 9"><rect x="1" width="3" height="4" fill="red"/></svg>"#)
    let b = try SanitizedSVG(
      source: "<svg\n viewBox='0 0 9 9'>\n  <rect fill='#F00' height='4'\n width='3' x='1'></rect>\n</svg>")
    #expect(a.text() == b.text())
  }

  @Test("styles become attributes, the most specific last")
  func styles() throws {
    let source = """
      <svg viewBox="0 0 9 9"><style>/* x */ rect{fill:red} .b,.c{fill:lime;stroke:blue} #d{fill:navy} rect.e{fill:teal}</style>
      <rect id="a" width="1" height="1" fill="pink"/><rect class="b" width="1" height="1"/>
      <rect id="d" class="b" width="1" height="1"/><rect class="e c" width="1" height="1" style="fill:#123;opacity:.5"/>
      <rect class="e" width="1" height="1"/></svg>
      """
    let rects = try SanitizedSVG(source: source).root.children
    #expect(rects.map { $0["fill"] } == ["#ff0000", "#00ff00", "#000080", "#112233", "#008080"])
    #expect(rects.map { $0["stroke"] } == [nil, "#0000ff", "#0000ff", "#0000ff", nil])
    #expect(rects[3]["opacity"] == ".5")
  }

  @Test("ids get a prefix, and references follow")
  func prefixes() throws {
    let clean = try SanitizedSVG(
      source: """
        <svg viewBox="0 0 9 9"><linearGradient id="g"><stop stop-color="red"/></linearGradient>
        <rect id="r" width="9" height="9" fill="url(#g) blue"/><use xlink:href="#r"/></svg>
        """)
    var options = SanitizedSVG.WritingOptions()
    options.idPrefix = "p1-"
    options.rootAttributes = [SVGAttribute("aria-label", "a \"b\" <c>")]
    let text = clean.text(options)
    for part in [
      #"id="p1-g""#, ##"fill="url(#p1-g) #0000ff""##, ##"href="#p1-r""##,
      #"aria-label="a &quot;b&quot; &lt;c&gt;""#,
    ] {
      #expect(text.contains(part), "\(text)")
    }
    #expect(try SanitizedSVG(source: text).root["viewBox"] == "0 0 9 9")
  }

  @Test("the root's size becomes a viewBox")
  func viewBoxes() throws {
    for (attributes, expected) in [
      ("width='20' height='10'", "0 0 20 10"), ("width='1in' height='10mm' viewBox='1,2 3 4'", "1 2 3 4"),
      ("", "0 0 300 150"), ("width='100%' height='50'", "0 0 300 50"),
      ("width='2in' height='1in'", "0 0 192 96"),
    ] {
      #expect(try SanitizedSVG(source: "<svg \(attributes)/>").root["viewBox"] == expected)
    }
  }

  @Test("what was written reads back the same")
  func roundTrip() throws {
    let source =
      #"<svg viewBox="0 0 9 9"><g fill="rgba(1,2,3,.5)"><text x="1" y="2">a &amp; b</text></g></svg>"#
    let once = try SanitizedSVG(source: source)
    #expect(try SanitizedSVG(source: once.text()).text() == once.text())
  }

  @Test("outlines have no groups that say nothing")
  func outline() throws {
    let a = try SanitizedSVG(
      source: "<svg viewBox='0 0 9 9'><g><g id='x'><rect/></g><g fill='red'><rect/></g></g></svg>")
    #expect(a.outline.children.map(\.name) == ["rect", "g"])
  }

  @Test("each byte of a drawing has its class")
  func lexing() {
    let source =
      ##"<svg viewBox="0 0 72 72"><path d="M30-4.5z" fill="#f00" id="a1"/><!-- n 5 --><text x="3">8</text></svg>"##
    let bytes = Array(source.utf8)
    let lexer = SVGLexer(bytes)
    func kinds(_ part: String) -> Set<SVGTokenClass?> {
      guard let range = source.firstRange(of: part) else { return [] }
      let start = source.utf8.distance(from: source.startIndex, to: range.lowerBound)
      return Set((start..<(start + part.utf8.count)).map { lexer.classes[$0] })
    }
    #expect(kinds("path") == [.markup])
    #expect(kinds("30-4.5") == [.number])
    #expect(kinds("#f00") == [.colour])
    #expect(kinds("fill=\"") == [.markup])
    #expect(kinds("a1") == [.text])
    #expect(kinds("5 --") == [.text, nil])
    #expect(kinds("8<") == [.text, .markup])
    #expect(
      lexer.numbers.map { String(decoding: bytes[$0], as: UTF8.self) } == [
        "0", "0", "72", "72", "30", "-4.5", "3",
      ])
    let letters = bytes.indices.filter { lexer.classes[$0] == .pathCommand }
    #expect(letters.map { bytes[$0] } == Array("Mz".utf8))
  }

  @Test("a piece has the class of what says most in it")
  func pieces() {
    let lexer = SVGLexer(Array(#"<a x=" 12"/> "#.utf8))
    #expect(lexer.tokenClass(0..<6) == .markup)
    #expect(lexer.tokenClass(3..<8) == .number)
    #expect(lexer.tokenClass(12..<13) == .markup)
    #expect(lexer.tokenClass(5..<500) == .number)
  }

  @Test("styles are lexed property by property")
  func styleLexing() {
    let bytes = Array(##"<a style="fill:#123456;stroke-width:2px"/>"##.utf8)
    let lexer = SVGLexer(bytes)
    #expect(lexer.numbers.map { String(decoding: bytes[$0], as: UTF8.self) } == ["2"])
    #expect(lexer.classes.filter { $0 == .colour }.count == 7)
  }
}
