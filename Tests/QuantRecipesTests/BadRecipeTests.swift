import FileBytes
import Foundation
import QuantRecipes
import TestSupport
import Testing

/// A recipe spoiled in one way.
struct BadRecipe: CustomTestStringConvertible, Sendable {
  let name: String
  let code: RecipeError.Code
  /// The line that the message must name; `nil` for files that are refused as a whole.
  let line: Int?
  /// A part of the remedy.
  let remedy: String
  let text: String

  var testDescription: String { name }

  init(_ name: String, _ code: RecipeError.Code, line: Int?, _ remedy: String, _ text: String) {
    (self.name, self.code, self.line, self.remedy, self.text) = (name, code, line, remedy, text)
  }

  /// A recipe whose only rule has these lines; they are lines 5 and on.
  init(_ name: String, _ code: RecipeError.Code, line: Int, _ remedy: String, rule: String) {
    let lines = rule.split(separator: "\n").joined(separator: "\n    ")
    self.init(
      name, code, line: line, remedy, "name: a\ndescription: d\nbase: q4_k_m\nrules:\n  - " + lines + "\n")
  }

  static let all: [BadRecipe] = [
    BadRecipe("empty file", .recipeSyntax, line: nil, "README", ""),
    BadRecipe("comments alone", .recipeSyntax, line: nil, "README", "# nothing\n"),
    BadRecipe("not a mapping", .recipeValue, line: 1, "README", "- a\n- b\n"),
    BadRecipe("no YAML", .recipeSyntax, line: 3, "indentation", "name: a\ndescription: [b\nbase: c\n"),
    BadRecipe("a tab", .recipeSyntax, line: 2, "indentation", "rules:\n\t- a\n"),
    BadRecipe("two documents", .recipeSyntax, line: 2, "README", "name: a\n--- \nname: b\n"),
    BadRecipe("zero bytes", .recipeSyntax, line: nil, "README", "name: a\u{0}\n"),
    BadRecipe(
      "hidden line ends", .recipeSyntax, line: nil, "plain line ends", "name: a\u{2028}description: b\n"),
    BadRecipe("no name", .recipeKeyMissing, line: 1, "README", "description: b\nbase: q4_k_m\n"),
    BadRecipe("no description", .recipeKeyMissing, line: 1, "README", "name: a\nbase: q4_k_m\n"),
    BadRecipe(
      "a name with a slash", .recipeValue, line: 1, "file names", "name: a/b\ndescription: d\nbase: q4_k_m\n"),
    BadRecipe("an empty name", .recipeValue, line: 1, "README", "name:\ndescription: d\nbase: q4_k_m\n"),
    BadRecipe(
      "a name that is taken", .recipeNameTaken, line: 2, "another name",
      "description: d\nname: q6_k\ndefault: q4_K\n"),
    BadRecipe(
      "unknown key", .recipeKeyUnknown, line: 3, "did you mean base?",
      "name: a\ndescription: d\nbsae: q4_k_m\n"),
    BadRecipe(
      "a key twice", .recipeKeyDuplicate, line: 1, "keep one", "name: a\ndescription: d\nname: b\n"),
    BadRecipe("neither base nor default", .recipeKeyMissing, line: 1, "README", "name: a\ndescription: d\n"),
    BadRecipe(
      "base and default", .recipeValue, line: 4, "leave default out",
      "name: a\ndescription: d\nbase: q4_k_m\ndefault: q4_K\n"),
    BadRecipe(
      "unknown base", .recipeBaseUnknown, line: 3, "did you mean q4_k_m?",
      "name: a\ndescription: d\nbase: q4_km\nrules:\n  - {role: output, type: q8_0, why: w}\n"),
    BadRecipe(
      "a base file that is not there", .recipeBaseUnknown, line: 3, "relative",
      "name: a\ndescription: d\nbase: ./none.yaml\nrules:\n  - {role: output, type: q8_0, why: w}\n"),
    BadRecipe(
      "its own base", .recipeBaseCycle, line: 3, "stock mix",
      "name: a\ndescription: d\nbase: ./bad.yaml\nrules:\n  - {role: output, type: q8_0, why: w}\n"),
    BadRecipe(
      "no rules on a base", .recipeKeyMissing, line: 1, "add rules", "name: a\ndescription: d\nbase: q4_k_m\n"
    ),
    BadRecipe(
      "empty rules", .recipeValue, line: 4, "add a rule", "name: a\ndescription: d\nbase: q4_k_m\nrules: []\n"
    ),
    BadRecipe(
      "rules that are a text", .recipeValue, line: 4, "README",
      "name: a\ndescription: d\nbase: q4_k_m\nrules: none\n"),
    BadRecipe(
      "too many rules", .recipeTooLarge, line: 5, "join",
      "name: a\ndescription: d\nbase: q4_k_m\nrules:\n"
        + (0...512).map { "  - {pattern: p\($0), type: q8_0, why: w}\n" }.joined()),
    BadRecipe(
      "a rule twice", .recipeKeyDuplicate, line: 6, "delete",
      "name: a\ndescription: d\nbase: q4_k_m\nrules:\n"
        + String(
          repeating: "  - {role: output, type: q8_0, why: w}\n", count: 2)),
    BadRecipe("a rule that is a text", .recipeValue, line: 5, "README", rule: "output"),
    BadRecipe(
      "a rule that catches by nothing", .recipeKeyMissing, line: 5, "role", rule: "type: q8_0\nwhy: w"),
    BadRecipe(
      "a rule that catches by two", .recipeValue, line: 5, "role",
      rule: "role: output\npattern: output\ntype: q8_0\nwhy: w"),
    BadRecipe("no type", .recipeKeyMissing, line: 5, "README", rule: "role: output\nwhy: w"),
    BadRecipe("no reason", .recipeKeyMissing, line: 5, "README", rule: "role: output\ntype: q8_0"),
    BadRecipe("an empty reason", .recipeValue, line: 7, "README", rule: "role: output\ntype: q8_0\nwhy:"),
    BadRecipe(
      "unknown type", .recipeTypeUnknown, line: 6, "did you mean q8_0?",
      rule: "role: output\ntype: q8_0x\nwhy: w"),
    BadRecipe(
      "a type that cannot be written", .recipeTypeUnknown, line: 6, "did you mean",
      rule: "role: output\ntype: iq2_xxs\nwhy: w"),
    BadRecipe(
      "unknown role", .recipeRoleUnknown, line: 5, "did you mean routed-experts.down?",
      rule: "role: routed-expert.down\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "unknown role in a list", .recipeRoleUnknown, line: 7, "did you mean router?",
      rule: "role:\n  - output\n  - roter\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "a role twice", .recipeKeyDuplicate, line: 5, "keep one",
      rule: "role: [output, output]\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "unknown category", .recipeRoleUnknown, line: 5, "did you mean values?",
      rule: "category: vales\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "unknown key of a rule", .recipeKeyUnknown, line: 6, "did you mean layers?",
      rule: "role: attention.v\nlayer: 3\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "a bad pattern", .recipePattern, line: 5, "expression", rule: "pattern: 'a('\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "a pattern in another dialect", .recipePattern, line: 5, "expression",
      rule: "pattern: '(?i)a'\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "a range backwards", .recipeLayers, line: 6, "-1 is the last",
      rule: "role: attention\nlayers: 9..3\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "no range", .recipeLayers, line: 6, "-1 is the last",
      rule: "role: attention\nlayers: 3-9\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "an immense layer", .recipeLayers, line: 6, "-1 is the last",
      rule: "role: attention\nlayers: 0..99999999999999999999\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "an empty list of layers", .recipeValue, line: 6, "README",
      rule: "role: attention\nlayers: []\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "nth of a role", .recipeValue, line: 6, "layers", rule: "role: attention\nnth: 3\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "nth of keys", .recipeValue, line: 6, "layers", rule: "category: keys\nnth: 3\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "unknown condition", .recipeKeyUnknown, line: 6, "did you mean experts?",
      rule: "role: attention\nwhen: {expert: 3}\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "an empty condition", .recipeValue, line: 6, "README",
      rule: "role: attention\nwhen: {}\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "a bad count", .recipeValue, line: 6, "README",
      rule: "role: attention\nwhen: {experts: 8..2}\ntype: q8_0\nwhy: w"),
    BadRecipe(
      "a bad flag", .recipeValue, line: 6, "README", rule: "role: attention\nstacked: yes\ntype: q8_0\nwhy: w"
    ),
    BadRecipe(
      "a bad word for imatrix", .recipeValue, line: 3, "did you mean expected?",
      "name: a\ndescription: d\nimatrix: expect\nbase: q4_k_m\nrules: []\n"),
    BadRecipe(
      "rules on a plain default", .recipeValue, line: 3, "quantized default",
      "name: a\ndescription: d\ndefault: f16\nrules:\n  - {role: output, type: q8_0, why: w}\n"),
    BadRecipe(
      "unknown file type", .recipeValue, line: 3, "did you mean Q4_K_M?",
      "name: a\ndescription: d\nfile-type: Q4KM\ndefault: q4_K\n"),
    BadRecipe(
      "a long reason", .recipeValue, line: 7, "shorter",
      rule: "role: output\ntype: q8_0\nwhy: " + String(repeating: "w", count: 1001)),
    BadRecipe(
      "an anchor", .recipeAnchor, line: 5, "write the repeated part out",
      rule: "&x {role: output, type: q8_0, why: w}"),
    BadRecipe("a reference to nothing", .recipeSyntax, line: 1, "README", "name: *x\n"),
    BadRecipe(
      "anchors that explode", .recipeAnchor, line: 3, "README",
      "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "bcdefghi".reduce(into: (text: "", last: "a")) { result, letter in
          let items = Array(repeating: "*\(result.last)", count: 9).joined(separator: ",")
          result.text += "\(letter): &\(letter) [\(items)]\n"
          result.last = String(letter)
        }.text),
    BadRecipe(
      "anchors that explode as keys", .recipeAnchor, line: 2, "README",
      "a: &a [x, x]\n"
        + "bcdefgh".reduce(into: (text: "", last: "a")) { result, letter in
          result.text += "\(letter): &\(letter) {? [*\(result.last), *\(result.last)] : x}\n"
          result.last = String(letter)
        }.text.replacingOccurrences(of: "\n", with: " ", options: [], range: nil)),
    BadRecipe(
      "deep brackets", .recipeTooNested, line: 1, "README", "rules: " + String(repeating: "[", count: 100_000)
    ),
    BadRecipe(
      "deep braces", .recipeTooNested, line: 1, "README", String(repeating: "{a: ", count: 50_000)),
    BadRecipe(
      "deep list marks", .recipeTooNested, line: 2, "README",
      "rules:\n" + String(repeating: "- ", count: 100_000)),
    BadRecipe(
      "deep indentation", .recipeTooNested, line: 66, "README",
      (0..<600).map { String(repeating: " ", count: $0) + "a:\n" }.joined()),
    BadRecipe(
      "a file of 10 MB", .recipeTooLarge, line: nil, "check that this is a recipe",
      "name: a\n" + String(repeating: "# filler\n", count: 1_200_000)),
  ]
}

@Suite("Bad recipes are refused with line and remedy")
struct BadRecipeTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("each", arguments: BadRecipe.all)
  func refused(bad: BadRecipe) throws {
    let path = folder.path("bad.yaml")
    try Data(bad.text.utf8).write(to: URL(fileURLWithPath: path))
    let clock = ContinuousClock()
    let start = clock.now
    let error = try #require(throws: RecipeError.self) { _ = try RecipeLibrary.recipe(path) }
    #expect(clock.now - start < .seconds(5))
    #expect(error.code == bad.code, "\(error)")
    #expect(error.faultClass == .rejected)
    #expect(error.fault.file == path + (bad.line.map { ":\($0)" } ?? ""), "\(error)")
    #expect(error.fault.remedy.contains(bad.remedy), "\(error)")
    #expect(error.description.utf8.count < 2000)
  }

  @Test("there are many, and no two of one name")
  func count() {
    #expect(BadRecipe.all.count >= 50)
    #expect(Set(BadRecipe.all.map(\.name)).count == BadRecipe.all.count)
  }

  private func write(_ name: String, base: String, recipe: String? = nil) throws {
    let text = """
      name: \(recipe ?? name)
      description: d
      base: \(base)
      rules:
        - {role: output, type: q8_0, why: w}
      """
    try Data(text.utf8).write(to: URL(fileURLWithPath: folder.path(name + ".yaml")))
  }

  @Test("a circle of bases")
  func circle() throws {
    try write("a", base: "b.yaml")
    try write("b", base: "./c.yaml")
    try write("c", base: folder.path("a.yaml"))
    let error = try #require(throws: RecipeError.self) {
      _ = try RecipeLibrary.recipe(folder.path("a.yaml"))
    }
    #expect(error.code == .recipeBaseCycle)
    #expect(error.fault.file.hasSuffix("c.yaml:3"))
    #expect(error.fault.found.contains("a stands on b stands on c"))
  }

  @Test("a long chain of bases")
  func longChain() throws {
    for index in 0..<12 { try write("r\(index)", base: index == 11 ? "q4_k_m" : "r\(index + 1).yaml") }
    let error = try #require(throws: RecipeError.self) {
      _ = try RecipeLibrary.recipe(folder.path("r0.yaml"))
    }
    #expect(error.code == .recipeBaseCycle)
    #expect(try RecipeLibrary.recipe(folder.path("r8.yaml")).origins.count == 5)
  }

  @Test("two recipes of one name in a chain")
  func sameName() throws {
    try write("a", base: "b.yaml")
    try write("b", base: "q4_k_m", recipe: "a")
    let error = try #require(throws: RecipeError.self) {
      _ = try RecipeLibrary.recipe(folder.path("a.yaml"))
    }
    #expect(error.code == .recipeNameTaken)
    #expect(error.fault.file.hasSuffix("b.yaml:1"))
  }

  @Test("no recipe of this name, with the nearest", arguments: [("q4km", "q4_k_m"), ("Q8", "q8_0")])
  func unknownName(name: String, near: String) throws {
    let error = try #require(throws: RecipeError.self) { _ = try RecipeLibrary.recipe(name) }
    #expect(error.code == .unknownRecipe)
    #expect(error.faultClass == .usage)
    #expect(error.fault.remedy == "did you mean \(near)?")
  }

  @Test("random changes to a recipe never crash or hang")
  func fuzz() throws {
    let original = try #require(RecipeLibrary.text(named: "q4_k_m"))
    var generator = SeededGenerator(seed: 6)
    let path = folder.path("fuzz.yaml")
    var refused = 0
    for _ in 0..<400 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.remove(at: place)
        default: bytes.insert(contentsOf: bytes.suffix(Int.random(in: 0..<40, using: &generator)), at: place)
        }
      }
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      do {
        _ = try RecipeLibrary.recipe(path)
      } catch let error as RecipeError {
        #expect(error.fault.file.hasPrefix(path) && error.faultClass == .rejected, "\(error)")
        refused += 1
      }
    }
    #expect(refused > 200)
  }
}
