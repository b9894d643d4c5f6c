import Foundation
import JinjaTemplates
import TestSupport
import Testing

/// Templates come out of downloaded files: whatever they hold, there is a text or an error, soon.
@Suite struct HostileTemplateTests {
  private func kind(_ source: String, _ variables: [String: JinjaValue] = [:]) -> TemplateError.Kind? {
    guard case .failure(let error) = JinjaCases.outcome(source, variables) else { return nil }
    return error.kind
  }

  private func times(_ count: Int, _ text: String) -> String { String(repeating: text, count: count) }

  @Test(arguments: [
    // Endless work.
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{% macro m() %}{{ m() ~ m() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}",
    "{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}",
    "{{ range(0, 9223372036854775807) }}", "{{ range(-9223372036854775807, 9223372036854775807, 3) }}",
    // Endless texts and lists.
    "{% set n = namespace(s='aaaaaaaaaa') %}{% for i in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}",
    "{% set n = namespace(s='aaaaaaaaaa') %}{% for i in range(100) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
    "{% set n = namespace(s=[1, 2]) %}{% for i in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}",
    "{{ 'a' * 99999999999 }}", "{{ [1] * 999999999999 }}", "{{ 'ab' * 9223372036854775807 }}",
    "{{ 'x'.center(99999999999) }}", "{{ 'x'.zfill(99999999999) }}", "{{ '%99999999d' % 1 }}",
    "{{ '%.99999999f' % 1 }}",
    "{{ '{:99999999}'.format(1) }}", "{{ 'a'|indent(999999999999, true) }}",
    "{{ [1]|batch(999999999999, 1)|list }}",
    "{{ [1]|slice(999999999999, 1)|list }}", "{{ ('a' * 1000000).replace('', 'b' * 1000000) }}",
    "{% set a = 'a' * 10000000 %}{% for i in range(100) %}{{ a }}{% endfor %}",
    "{% set x %}{% for i in range(100000) %}{{ 'a' * 10000 }}{% endfor %}{% endset %}",
    // Endless nesting of values.
    "{% set n = namespace(l=[]) %}{% for i in range(100000) %}{% set n.l = [n.l] %}{% endfor %}",
    "{% set n = namespace(l={}) %}{% for i in range(100000) %}{% set n.l = {'a': n.l} %}{% endfor %}",
    "{% set n = namespace(l=[]) %}{% for i in range(100000) %}{% set n.l = n.l|map('upper') %}{% endfor %}",
    "{% set n = namespace(l=[]) %}{% for i in range(100000) %}{% set n.l = joiner(n.l) %}{% endfor %}",
    "{% set n = namespace(l=[]) %}{% for i in range(100000) %}{% set n.l = cycler(n.l) %}{% endfor %}",
    "{% set n = namespace(l=[]) %}{% for i in range(100000) %}{% set n.l = (n.l,).count %}{% endfor %}",
    "{% set n = namespace(l=0) %}{% for i in range(100000) %}{% for x in [n.l] %}{% set n.l = loop %}{% endfor %}{% endfor %}",
  ]) func isStopped(_ source: String) {
    let start = Date()
    #expect(kind(source) == .limit, "\(source)")
    #expect(Date().timeIntervalSince(start) < 60)
  }

  @Test func longChainsOfObjectsAreReleased() {
    // Each link is small, so nothing is refused; releasing them one inside the other would need too much stack.
    let chains = [
      "{% set n = namespace() %}{% set n.c = n %}{% for i in range(50000) %}{% set c = n.c %}{% set c.next = namespace() %}{% set n.c = c.next %}{% endfor %}ok",
      "{% set n = namespace(m=0) %}{% for i in range(50000) %}{% set p = n.m %}{% macro f() %}{{ p }}{% endmacro %}{% set n.m = f %}{% endfor %}ok",
      "{% set n = namespace() %}{% set n.me = n %}{% for i in range(1000) %}{% set a = namespace(b=n) %}{% set n.a = a %}{% endfor %}ok",
      "{% set n = namespace(m=0) %}{% macro g(p) %}{% for x in [1] recursive %}{% set n.m = loop %}{% endfor %}{% endmacro %}{% for i in range(5000) %}{{ g(n.m) }}{% endfor %}ok",
    ]
    for chain in chains {
      let outcome = JinjaCases.outcome(chain, [:])
      if case .success("ok") = outcome { continue }
      Issue.record("\(chain): \(outcome)")
    }
  }

  @Test func deepNestingOfTheText() {
    let count = 20_000
    for (open, middle, close) in [
      ("(", "1", ")"), ("[", "1", "]"), ("{'a':", "1", "}"), ("-", "1", ""), ("not ", "1", ""),
      ("a(", "1", ")"),
      ("a[", "1", "]"), ("1 if 1 else ", "1", ""), ("(1 if ", "1", ")"), ("'a'|default(", "1", ")"),
    ] {
      #expect(kind("{{ " + times(count, open) + middle + times(count, close) + " }}") == .limit, "\(open)")
    }
    for chain in [".a", "[0]", "()", "|upper", " is defined if 1"] {
      #expect(kind("{{ x" + times(count, chain) + " }}") != nil, "\(chain)")
    }
    for (open, close) in [
      ("{% if 1 %}", "{% endif %}"), ("{% for x in [1] %}", "{% endfor %}"),
      ("{% macro m() %}", "{% endmacro %}"),
      ("{% set x %}", "{% endset %}"), ("{% filter upper %}", "{% endfilter %}"),
      ("{% with %}", "{% endwith %}"),
      ("{% generation %}", "{% endgeneration %}"),
    ] {
      #expect(kind(times(count, open) + times(count, close)) == .limit, "\(open)")
      #expect(kind(times(count, open)) != nil)
    }
    #expect(kind("{% set " + times(count, "(") + "a" + times(count, ")") + " = 1 %}") == .limit)
    // Long, not deep: these are fine.
    #expect(kind("{{ 1" + times(count, " + 1") + " }}") == nil)
    #expect(kind("{{ 'a'" + times(count, " ~ 'a'") + " }}") == nil)
    #expect(kind("{{ 1" + times(count, " and 1") + " }}") == nil)
    #expect(kind("{% if 0 %}" + times(count, "{% elif 0 %}") + "{% endif %}") == nil)
    #expect(kind(times(2 << 20, "a")) == .limit)
  }

  @Test func deepValues() {
    var value = JinjaValue.array([])
    for _ in 0..<2_000 { value = .array([value]) }
    #expect(kind("{{ x }}", ["x": value]) == .limit)
  }

  @Test func numbersOutOfRange() {
    for source in [
      "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 9223372036854775807 * 2 }}",
      "{{ 2 ** 64 }}", "{{ 99999999999999999999 }}", "{{ 1e300|int }}", "{{ '99999999999999999999'|int }}",
      "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}",
      "{{ (-9223372036854775807 - 1)|abs }}",
      "{{ '%d' % 1e300 }}", "{{ 9223372036854775807|round(-18) }}",
    ] {
      let found = JinjaCases.outcome(source, [:])
      if case .failure(let error) = found { #expect(error.kind == .notSupported, "\(source): \(error)") }
    }
    #expect(
      kind("{{ 'abc'[9223372036854775807:] ~ 'abc'[::9223372036854775807] ~ 'abc'[-9223372036854775807:] }}")
        == nil)
    #expect(kind("{{ [1, 2][::-9223372036854775807] ~ [1][-9223372036854775807] }}") == nil)
    #expect(kind("{{ 'a'.find('a', 9223372036854775807, -9223372036854775807) }}") == nil)
  }

  /// What fails in a macro is named by the line that calls it.
  @Test func errorsNameTheLine() {
    for (source, line) in [
      ("a\nb\n{{ x.y.z }}", 3), ("{% if 1 %}\n\n{{ 1 + }}{% endif %}", 3), ("{{ 1 }}\n{% nosuch %}", 2),
      ("{% macro m() %}\n{{ 1 / 0 }}\n{% endmacro %}\n\n{{ m() }}", 5), ("\n\n{{ raise_exception('x') }}", 3),
      ("{% for x in [1] %}\n{{ x|nosuch }}\n{% endfor %}", 2), ("a\n{# c\n\n #}\n{{ 'x'|pprint }}", 5),
    ] {
      guard case .failure(let error) = JinjaCases.outcome(source, [:]) else {
        Issue.record("\(source) has no error")
        continue
      }
      #expect(error.line == line, "\(source.debugDescription): \(error)")
    }
  }

  /// Random pieces of the language in random order, and golden templates with damage.
  @Test func randomTemplates() throws {
    var random = SeededGenerator(seed: 18)
    let pieces = [
      "{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "{{-", "-}}", "{%+", "if", "elif", "else", "endif",
      "for", "in",
      "endfor", "set", "endset", "macro", "endmacro", "call", "endcall", "filter", "endfilter", "raw",
      "endraw",
      "generation", "endgeneration", "break", "continue", "is", "not", "and", "or", "defined", "none", "true",
      "'", "\"",
      "\\", "'a'", "x", "m", "loop", "namespace", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|", "~", "+",
      "-", "*",
      "/", "//", "**", "%", "==", "<", "=", " ", "\n", "1", "0", "2.5", "upper", "map", "tojson", "join",
      "range",
      "messages", "é", "\u{0}", "😀", "recursive", "with", "endwith", "caller", "length", "x = 1", "(x)",
      "for x in m",
    ]
    for _ in 0..<fuzzRounds(2_000) {
      let count = Int.random(in: 1...40, using: &random)
      let source = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }
        .joined(separator: Bool.random(using: &random) ? " " : "")
      _ = JinjaCases.outcome(source, ["x": .integer(1), "m": .array([.string("a")])])
    }
    let url = try #require(
      Bundle.module.url(forResource: "expected", withExtension: "json", subdirectory: "Golden"))
    let cases = try JinjaCases(contentsOf: url)
    let sources = cases.templates.map(\.source) + cases.snippets.map(\.source)
    for _ in 0..<fuzzRounds(2_000) {
      var scalars = Array((sources.randomElement(using: &random) ?? "").unicodeScalars)
      for _ in 0..<Int.random(in: 1...4, using: &random) where !scalars.isEmpty {
        let place = Int.random(in: 0..<scalars.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: scalars.remove(at: place)
        case 1:
          scalars.insert(contentsOf: (pieces.randomElement(using: &random) ?? "").unicodeScalars, at: place)
        default: scalars[place] = Unicode.Scalar(UInt8.random(in: 0..<128, using: &random))
        }
      }
      var source = String.UnicodeScalarView()
      source.append(contentsOf: scalars)
      let variables = cases.settings.randomElement(using: &random) ?? [:]
      _ = JinjaCases.outcome(String(source), variables.merging(cases.variables) { first, _ in first })
    }
  }
}
