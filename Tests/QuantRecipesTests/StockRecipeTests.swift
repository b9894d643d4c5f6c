import Foundation
import QuantRecipes
import TensorTypes
import Testing

@Suite("Stock mixes as recipes")
struct StockRecipeTests {
  /// The folder `recipes/` of the repository.
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("recipes")

  @Test("the built-in recipes are the files of the folder")
  func embedded() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    let names = files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
    #expect(names == RecipeLibrary.names)
    for name in names {
      let url = Self.folder.appendingPathComponent(name + ".yaml")
      #expect(try RecipeLibrary.text(named: name) == [UInt8](Data(contentsOf: url)))
      let recipe = try RecipeLibrary.recipe(name)
      #expect(recipe.name == name)
      #expect(try RecipeLibrary.recipe(name.uppercased()) == recipe)
      #expect(!recipe.origins.contains { !$0.isBuiltIn })
      // The file itself is the same recipe, by another path.
      let loaded = try RecipeLibrary.recipe(url.path)
      #expect(loaded.hash == recipe.hash && loaded.origins[0].isBuiltIn)
      #expect(loaded.rules.map(\.selection) == recipe.rules.map(\.selection))
    }
  }

  @Test("every stock mix is there, with its default and number")
  func complete() throws {
    for mix in StockMix.allCases where mix != .copy {
      let recipe = try RecipeLibrary.recipe(mix.rawValue)
      #expect(recipe.stockMix == mix)
      #expect(recipe.defaultType == mix.defaultType)
      #expect(recipe.base == nil)
    }
  }

  @Test("every type equals llama-quantize's", arguments: GoldenMixes.names)
  func everyDecision(name: String) throws {
    let golden = try GoldenMixes(name)
    var recipes: [StockMix: Recipe] = [:]
    for mix in StockMix.allCases where mix != .copy {
      recipes[mix] = try RecipeLibrary.recipe(mix.rawValue)
    }
    var compared = 0
    for (mixName, set, expected) in golden.decisions {
      let mix = try StockMix(name: mixName)
      var options = try #require(golden.options[set])
      guard mix != .copy, !options.pure else { continue }
      options.keepsGivenOrder = golden.isGivenOrder
      options.recipe = recipes[mix]
      let found = try TypeMixer.decide(
        mix: mix, options: options, facts: golden.facts, tensors: golden.tensors)
      for (index, decision) in found.enumerated() where decision.type != expected[index] {
        Issue.record(
          """
          \(name) \(mixName) \(set): \(golden.tensors[index].name) is \(decision.type.name), \
          llama-quantize says \(expected[index].name)
          """)
        break
      }
      compared += 1
    }
    #expect(compared >= 6 * 18)
  }
}
