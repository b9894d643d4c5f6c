import FileBytes
import Foundation
import QuantRecipes
import TensorTypes
import Testing

/// The schema is for editors; it must list what the parser takes.
@Suite("The JSON Schema of recipes")
struct RecipeSchemaTests {
  private struct Schema: Decodable {
    struct Property: Decodable {
      var `enum`: [String]?
      var properties: [String: Property]?
      var required: [String]?
    }
    var properties: [String: Property]
    var required: [String]
    var definitions: [String: Property]

    enum CodingKeys: String, CodingKey {
      case properties, required
      case definitions = "$defs"
    }
  }

  private let schema: Schema

  init() throws {
    schema = try JSONDecoder().decode(
      Schema.self,
      from: Data(contentsOf: StockRecipeTests.folder.appendingPathComponent("recipe.schema.json")))
  }

  @Test("roles, types and names")
  func names() throws {
    #expect(schema.definitions["role"]?.enum == RecipeRole.all.map(\.name))
    let types = try #require(schema.definitions["type"]?.enum)
    #expect(Set(types).count == types.count)
    for type in types { #expect(TensorType(name: type) != nil) }
    #expect(schema.properties["file-type"]?.enum == StockMix.allCases.filter { $0 != .copy }.map(\.rawValue))
    #expect(schema.properties["imatrix"]?.enum == Recipe.ImportanceUse.allCases.map(\.rawValue))
  }

  @Test("keys and types are those that the parser names in its errors")
  func keys() throws {
    func keys(_ text: String) throws -> Set<String> {
      let path = FileManager.default.temporaryDirectory.appendingPathComponent(
        "schema-\(UUID().uuidString).yaml")
      try Data(text.utf8).write(to: path)
      defer { try? FileManager.default.removeItem(at: path) }
      let error = #expect(throws: RecipeError.self) { _ = try RecipeLibrary.recipe(path.path) }
      return Set(
        (error?.fault.expected.description ?? "").dropFirst("one of ".count).components(separatedBy: ", "))
    }
    #expect(try keys("x: 1\n") == Set(schema.properties.keys))
    #expect(
      try keys("name: a\ndescription: d\nprovenance: {x: 1}\n")
        == Set(try #require(schema.properties["provenance"]?.properties).keys))
    let head = "name: a\ndescription: d\nbase: q4_k_m\nrules:\n  - "
    let rule = try #require(schema.definitions["rule"]?.properties)
    #expect(try keys(head + "{x: 1}\n") == Set(rule.keys))
    #expect(
      try keys(head + "{role: output, type: q8_0, why: w, when: {x: 1}}\n")
        == Set(try #require(rule["when"]?.properties).keys))
    #expect(
      try keys(head + "{role: output, type: x, why: w}\n")
        == Set(try #require(schema.definitions["type"]?.enum)))
    #expect(
      try keys(head + "{category: x, type: q8_0, why: w}\n")
        == Set(try #require(schema.definitions["category"]?.enum)))
    #expect(schema.required == ["name", "description"])
    #expect(schema.definitions["rule"]?.required == ["type", "why"])
  }
}
