import FileBytes
import QuantRecipes
import TensorTypes
import Testing

@Suite("Overrides and pruning")
struct OverrideAndPruningTests {
  @Test(
    "overrides",
    arguments: [
      ("a.b=int:12", MetadataValue.uint32(12)), ("a.b=int:-12", .uint32(12)),
      ("a.b=float:0.1", .float32(0.1)),
      ("a.b=bool:true", .bool(true)), ("a.b=bool:false", .bool(false)), ("a.b=str:x=y:z", .string("x=y:z")),
      ("a.b=str:", .string("")), ("a.b=int:4294967295", .uint32(.max)), ("a.b=float:1e-5", .float32(1e-5)),
    ])
  func parsed(text: String, value: MetadataValue) throws {
    let override = try KeyValueOverride(parsing: text)
    #expect(override.entry == MetadataEntry("a.b", value))
    #expect(override.signDropped == text.contains(":-"))
  }

  @Test(
    "malformed overrides",
    arguments: [
      "", "a", "a=", "a=1", "=int:1", "a=int:", "a=int:1x", "a=int:1.5", "a=int:4294967296", "a=float:x",
      "a=bool:yes", "a=bool:True", "a=u32:1", "a=int", "a=INT:1",
      String(repeating: "k", count: 128) + "=int:1", "a=str:" + String(repeating: "v", count: 128),
    ])
  func malformed(text: String) throws {
    let error = try #require(throws: RecipeError.self) { _ = try KeyValueOverride(parsing: text) }
    #expect(error.code == .malformedOverride)
  }

  @Test("one key twice")
  func twice() throws {
    let error = try #require(throws: RecipeError.self) {
      _ = try KeyValueOverride.parse(["a=int:1", "b=int:1", "a=int:2"])
    }
    #expect(error.code == .duplicateOverride)
    #expect(error.fault.subject == "a")
  }

  private let names = [
    "blk.3.a.weight", "output.weight", "blk.0.a.weight", "blk.1.a.weight", "blk.2.a.weight", "blk.2.b.weight",
    "blk.4.blk.9.weight",
  ]

  @Test("layers that stay are numbered consecutively")
  func pruned() throws {
    let result = try LayerPruning(parsing: "3,1").apply(to: names)
    #expect(
      result.names == [
        nil, "output.weight", "blk.0.a.weight", nil, "blk.1.a.weight", "blk.1.b.weight", "blk.2.blk.9.weight",
      ])
    #expect(result.blockCount == 3)
    #expect(result.oldLayers == [0: 0, 1: 2, 2: 4])
    #expect(result.importanceName("blk.1.b.weight") == "blk.2.b.weight")
    #expect(result.importanceName("output.weight") == "output.weight")
  }

  @Test("the first and the last layers")
  func ends() throws {
    #expect(try LayerPruning(parsing: "0").apply(to: names).names[3] == "blk.0.a.weight")
    let last = try LayerPruning(parsing: "4").apply(to: names)
    #expect(last.blockCount == 4)
    #expect(last.names.last == .some(nil))
    #expect(last.names.first == "blk.3.a.weight")
  }

  @Test("lists of layers", arguments: ["", "1,", "x", "-1", "1;2", "1, 2", "99999999999"])
  func malformedList(text: String) throws {
    let error = try #require(throws: RecipeError.self) { _ = try LayerPruning(parsing: text) }
    #expect(error.code == .malformedLayerList)
  }

  @Test("layers that cannot be pruned", arguments: ["5", "0,7", "0,1,2,3,4"])
  func notPrunable(text: String) throws {
    let error = try #require(throws: RecipeError.self) {
      _ = try LayerPruning(parsing: text).apply(to: names)
    }
    #expect(error.code == .layerNotPrunable)
  }

  @Test("a list names a layer twice")
  func duplicates() throws {
    #expect(try LayerPruning(parsing: "2,0,2").layers == [0, 2])
  }
}
