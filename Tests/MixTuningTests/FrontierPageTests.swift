import MixTuning
import TensorTypes
import Testing

@Suite("The frontier page")
struct FrontierPageTests {
  private func table(_ name: String = "Sample") throws -> SensitivityTable {
    try ModelLayout("lfm2-8b-a1b").table(name: name)
  }

  private func stock(_ name: String, _ bytes: Int, _ predicted: Double?, _ actual: Double? = nil)
    -> FrontierMix
  {
    FrontierMix(
      name: name, kind: .stock, fileByteCount: bytes, bitsPerWeight: 4.5, predictedDivergence: predicted,
      actual: actual.map { TunedMix.Actual(divergence: $0, low: $0 / 2, high: $0 * 2, windows: 40) })
  }

  /// What stands between tags, with spaces for tags.
  private func text(_ html: String) -> String {
    var text = ""
    var isTag = false
    for character in html {
      if character == "<" { isTag = true }
      if !isTag { text.append(character) }
      if character == ">" {
        isTag = false
        text.append(" ")
      }
    }
    return text
  }

  /// Every element that is opened is closed, in order.
  private func expectBalanced(_ html: String) {
    var open: [Substring] = []
    for part in html.split(separator: "<").dropFirst() {
      guard let end = part.firstIndex(of: ">") else {
        Issue.record("a tag without an end: \(part.prefix(80))")
        return
      }
      let tag = part[..<end]
      let name = tag.prefix { !" /".contains($0) || $0 == "/" && tag.first == "/" }
      if tag.hasPrefix("!") || ["meta", "br"].contains(name) || tag.hasSuffix("/") { continue }
      if name.first == "/" {
        #expect(open.popLast() == name.dropFirst())
      } else {
        open.append(name)
      }
    }
    #expect(open.isEmpty)
  }

  @Test("names are text, not markup") func escaping() throws {
    let evil = "<script>alert('x')</script> & \"more\" <img src=x onerror=y>"
    var table = try table(evil)
    table.text.name = evil
    table.importance = .init(name: evil, hash: evil)
    let mixes = [
      (evil + "1", table.mix(table.rows.map { _ in 2 })), (evil + "2", table.mix(table.rows.map { _ in 5 })),
    ]
    let html = FrontierPage(table, mixes: mixes, known: [stock(evil, 20_000_000_000, 0.01)]).html
    #expect(!html.contains("<script") && !html.contains("<img") && !html.contains("& \""))
    #expect(text(html).contains("&lt;script&gt;alert('x')&lt;/script&gt; &amp; &quot;more&quot;"))
    expectBalanced(html)
  }

  @Test("it runs nothing and loads nothing") func selfContained() throws {
    let table = try table()
    let html = FrontierPage(table, mixes: [("4.5", table.mix(table.rows.map { _ in 3 }))], known: []).html
    for forbidden in ["<script", "src=", "href=", "url(", "@import", "http:"] {
      #expect(!html.contains(forbidden))
    }
    #expect(html.contains("default-src 'none'"))
    #expect(html.contains("prefers-color-scheme: dark") && html.contains("@media print"))
  }

  @Test("no budget and nothing to compare with") func empty() throws {
    let html = FrontierPage(try table(), mixes: [], known: []).html
    expectBalanced(html)
    #expect(text(html).contains("No budget was solved for"))
    #expect(text(html).contains("There is nothing to draw"))
    #expect(!html.contains("<svg viewBox=\"0 0 960"))
    #expect(!html.contains("Solved mixes</h2>"))
  }

  @Test("stock mixes alone") func stockAlone() throws {
    let html = FrontierPage(
      try table(), mixes: [], known: [stock("Q4_0", 5_000_000, nil), stock("Q8_0", 9_000_000, 0.0001)]
    ).html
    expectBalanced(html)
    #expect(text(html).contains("No budget was solved for"))
    // Two drawings, for wide and for narrow screens, each with the one mix that has a place, and the key.
    #expect(html.ranges(of: "M2 6h10").isEmpty)
    #expect(html.ranges(of: "h8v8h-8z\"/></g>").count == 3)
  }

  @Test("one budget: the answer says what it is and what it beats") func one() throws {
    let table = try table()
    let mix = table.mix(table.rows.map { _ in 3 })
    let other = stock("Q4_K_M", mix.fileByteCount + 1000, 2 * mix.predictedDivergence)
    let html = FrontierPage(
      table, mixes: [("4.5 bits", mix)],
      known: [
        stock("Q3_K_M", mix.fileByteCount - 1, mix.predictedDivergence / 9), other,
        stock("Q8_0", 1 << 40, 1e-9),
      ]
    ).html
    expectBalanced(html)
    #expect(text(html).contains("That is 50 % less than Q4_K_M"))
    #expect(text(html).contains("both as predicted"))
    // A line needs two points, and a step two mixes.
    #expect(!html.contains("class=\"line\""))
    #expect(!html.contains("What each step up buys"))
  }

  @Test("measured numbers come before predicted ones") func measured() throws {
    let table = try table()
    var mix = table.mix(table.rows.map { _ in 3 })
    mix.actual = TunedMix.Actual(divergence: 0.003, low: 0.002, high: 0.004, windows: 40)
    let html = FrontierPage(
      table, mixes: [("4.5", mix)],
      known: [stock("Q4_K_M", mix.fileByteCount, 9, 0.002)]
    ).html
    #expect(text(html).contains("50 % more than Q4_K_M"))
    #expect(text(html).contains("0.00200 to 0.00400"))
    #expect(html.contains("class=\"range\""))
    #expect(text(html).contains("40 windows that had no part in the choice"))
  }

  @Test("steps say what changes") func steps() throws {
    let table = try table()
    let small = table.rows.map { _ in 2 }
    var large = small
    for (row, group) in table.rows.map(\.group).enumerated() where group.role == .routedExpertsDown {
      large[row] = 4
    }
    for (row, group) in table.rows.map(\.group).enumerated() where group.role == .attentionValue {
      if let layer = group.layer, layer < 11 { large[row] = 6 }
    }
    let html = FrontierPage(
      table, mixes: [("big", table.mix(large)), ("small", table.mix(small))], known: []
    ).html
    expectBalanced(html)
    #expect(text(html).contains("small → big"))
    #expect(text(html).contains("routed-experts.down: iq4_xs → q5_K"))
    #expect(text(html).contains("attention.v in layers 2..10: iq4_xs → q8_0"))
  }

  @Test("a divergence of 0 has no place on a logarithmic axis") func zero() throws {
    var table = try table()
    for row in table.rows.indices {
      for place in table.rows[row].candidates.indices { table.rows[row].candidates[place].divergence = 0 }
    }
    let html = FrontierPage(
      table, mixes: [("4.5", table.mix(table.rows.map { _ in 3 }))],
      known: [stock("Q8_0", 1 << 40, .infinity)]
    ).html
    expectBalanced(html)
    #expect(!html.contains("nan") && !text(html).contains("-inf"))
  }
}
