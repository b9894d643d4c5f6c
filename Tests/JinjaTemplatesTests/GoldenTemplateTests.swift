import Foundation
import JinjaTemplates
import Testing

/// Templates rendered as Jinja renders them; `scripts/conformance-templates.py` makes the expected texts.
@Suite struct GoldenTemplateTests {
  /// What Jinja does and this interpreter says it does not support.
  static let notSupported: Set<String> = [
    "{{ s.encode() }}", "{{ [1, 2]|random is defined }}", "{{ 1e300|int == 0 }}",
  ]

  private func cases() throws -> JinjaCases {
    let url = try #require(
      Bundle.module.url(forResource: "expected", withExtension: "json", subdirectory: "Golden"))
    return try JinjaCases(contentsOf: url)
  }

  @Test func snippets() throws {
    let cases = try cases()
    #expect(cases.snippets.count > 500)
    for (source, want) in cases.snippets {
      let found = JinjaCases.outcome(source, cases.variables)
      if Self.notSupported.contains(source) {
        #expect(throws: TemplateError.self) { try found.get() }
        if case .failure(let error) = found { #expect(error.kind == .notSupported, "\(source): \(error)") }
      } else if let difference = JinjaCases.difference(want, found) {
        Issue.record("\(source.debugDescription): \(difference)")
      }
    }
  }

  @Test func wholeTemplates() throws {
    let cases = try cases()
    #expect(cases.templates.count >= 3)
    for template in cases.templates {
      let jinja = try JinjaTemplate(template.source)
      #expect(Set(template.texts).count > 10)
      for (want, variables) in zip(template.texts, cases.settings) {
        let found = Result { () throws(TemplateError) in try jinja.render(variables) }
        if let difference = JinjaCases.difference(want, found) {
          Issue.record("\(template.name): \(difference)\n\(variables)")
        }
      }
    }
  }
}

/// Templates of other projects, which are not part of this one: `scripts/conformance-templates.py --templates FOLDER`.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["POUCH_JINJA_CASES"] != nil))
struct PublishedTemplateTests {
  @Test func rendersAsJinja() throws {
    let path = try #require(ProcessInfo.processInfo.environment["POUCH_JINJA_CASES"])
    let cases = try JinjaCases(contentsOf: URL(fileURLWithPath: path))
    #expect(!cases.templates.isEmpty)
    for template in cases.templates {
      var equal = 0
      var raised = 0
      var slowest = 0.0
      for (want, variables) in zip(template.texts, cases.settings) {
        let start = Date()
        let found = JinjaCases.outcome(template.source, variables)
        slowest = max(slowest, Date().timeIntervalSince(start))
        if let difference = JinjaCases.difference(want, found) {
          Issue.record("\(template.name): \(difference)")
        } else {
          equal += 1
          if want == nil { raised += 1 }
        }
      }
      print(
        "\(template.name): \(equal) of \(template.texts.count) equal, \(raised) of them refused by both, "
          + "at most \(String(format: "%.2f", slowest * 1e3)) ms")
    }
  }
}
